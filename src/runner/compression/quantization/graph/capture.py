"""Capture a network as a torch.export graph, or say which line of the user's code prevents it."""

import copy
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.backends import mha
from torch.export import export
from torch.fx import GraphModule, Node
from torch.nn.modules.conv import _ConvNd

from runner.compression.network import refuse_quantized
from runner.compression.quantization.graph import alike
from runner.compression.quantization.graph.operators import label
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n\s+(?P<code>[^\n]+)')
_CAUSES = (
    (
        ("deepcopy protocol",),
        "the network keeps a tensor that an earlier pass computed: keep it detached (x.detach()) or as a buffer",
    ),
    (
        (
            "data-dependent",
            "data dependent",
            "Dynamic control flow",
            "GuardOnDataDependentSymNode",
            ".item()",
        ),
        "the path taken depends on values in a tensor; compute both sides and choose with torch.where(), "
        "or use torch.cond()",
    ),
    (
        ("Constraints violated", "specialized", "inferred to be a constant", "not equal to"),
        "a batch size is fixed in the code; take it from the input (x.shape[0], or -1 in a reshape)",
    ),
)
_ATEN = torch.ops.aten
# Convolutions whose padding is a word, and the same with numbers.
_WORDED = {
    _ATEN.conv1d.padding: _ATEN.conv1d.default,
    _ATEN.conv2d.padding: _ATEN.conv2d.default,
    _ATEN.conv3d.padding: _ATEN.conv3d.default,
}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_TARGETS = (*_WORDED.values(), _ATEN.linear.default)


def capture(network: nn.Module, example: Nested) -> GraphModule:
    """Return the network in inference mode as a flat ATen graph of its own weights, for any batch size.

    `example` is one input batch (N, …); its values don't matter. Strict capture: with the non-strict one
    the x86 quantizer fails on ResNet-18 and misses half of GoogLeNet. Capturing in inference mode leaves out
    auxiliary heads and stochastic depth, which could not be switched off again in a graph; QAT turns batch
    norm and dropout back on. RunnerError: the network is quantized already, or cannot be captured (names the
    line and what to change).
    """
    refuse_quantized(network)
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # a failure is told once, below
    try:
        network = copy.deepcopy(network).eval()  # the graph must not share weights: fine-tuning would change both
        pad_beforehand(network)
        with plain_attention():
            graph = alike.graph_of(network, nested.two_of(example), partial(_exported, network, example))
    except Exception as error:
        raise RunnerError(_explain(error, network)) from error
    finally:
        logger.setLevel(level)
    normalize(graph)
    label(graph)
    return graph


def _exported(network: nn.Module, example: Nested) -> GraphModule:
    inputs, shapes = nested.two_of(example), nested.dynamic_batch(example)
    program = export(network, (inputs,), dynamic_shapes=shapes, strict=True)
    graph: GraphModule = program.module(check_guards=False)
    return graph


def describe(graph: GraphModule) -> str:
    """Return what decides how a graph is quantized: its operators, and the shapes and dtypes of its values."""
    values = {**dict(graph.named_parameters()), **dict(graph.named_buffers())}
    sizes = [f"{name} {tuple(value.shape)} {value.dtype}" for name, value in values.items()]
    inputs = [str(node.meta.get("val")) for node in graph.graph.nodes if node.op == "placeholder"]
    return "\n".join([graph.code, *sizes, *inputs])


@contextmanager
def plain_attention() -> Iterator[None]:
    """Run transformers of torch by their layers, as in training, not by one fused operator that no back end rounds.

    Without gradients (frozen weights) torch takes the fused one.
    """
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(fast)


def _explain(error: Exception, network: nn.Module) -> str:
    """Return the cause of a failed capture: the last frame outside installed packages, and a change that mends it."""
    text = f"{error}\n{error.__cause__ or ''}"
    own = [frame for frame in _FRAME.finditer(text) if not _installed(frame["file"])]
    where = "{file}:{line} in {function}: {code}".format(**own[-1].groupdict()) if own else ""
    advice = [advice for signs, advice in _CAUSES if any(sign in text for sign in signs)]
    reason = str(error).strip().splitlines()[0].rstrip(".")
    place = f" at {where}" if where else ""
    mend = advice[0] if advice else "torch.export must see one straight line of tensor operations (docs: torch.export)"
    return f"torch.export cannot capture {type(network).__name__}{place}: {reason}. What to change: {mend}."


def _installed(path: str) -> bool:
    return (
        "site-packages" in path or "dist-packages" in path or path.startswith((str(Path(torch.__file__).parent), "<"))
    )


_STRIDE, _PADDING, _DILATION = 3, 4, 5


def normalize(graph: GraphModule) -> None:
    """Change a fresh capture in place; it computes what it did."""
    inline_without_gradients(graph)
    for node in list(graph.graph.nodes):
        if node.target in _WORDED:
            _number_padding(node)
        _own_only_layers(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def pad_beforehand(network: nn.Module) -> None:
    """Let convolutions that need more padding behind than before (`same`, even kernels) pad their inputs themselves.

    Exported as they are, they would take the example's batch size only.
    """
    for module in network.modules():
        if isinstance(module, _ConvNd) and module.padding == "same" and module.padding_mode == "zeros":
            totals = [step * (length - 1) for step, length in zip(module.dilation, module.kernel_size, strict=True)]
            if any(total % 2 for total in totals):
                module.padding_mode = "constant"  # type: ignore[assignment]  # the same zeros


def inline_without_gradients(graph: GraphModule) -> None:
    """Put what stands under `torch.no_grad()` into the graph itself: quantizers don't look into graphs inside.

    It says nothing of values, and int8 programs take no gradients.
    """
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and str(node.target) == "wrap_with_set_grad_enabled":
            inner = getattr(graph, str(node.args[1].target))
            inline_without_gradients(inner)
            _inline(graph, node, inner, node.args[2:])
    graph.delete_all_unused_submodules()


def _inline(graph: GraphModule, node: Node, inner: GraphModule, arguments: Sequence[Any]) -> None:
    values: dict[Node, Any] = dict(
        zip((each for each in inner.graph.nodes if each.op == "placeholder"), arguments, strict=True)
    )
    returned: Any = None
    with graph.graph.inserting_before(node):
        for each in inner.graph.nodes:
            if each.op == "output":
                returned = torch.fx.node.map_arg(each.args[0], lambda source: values[source])
            elif each.op != "placeholder":
                copied = graph.graph.node_copy(each, lambda source: values[source])
                values[each] = copied
                if each.op == "get_attr":
                    name = f"{node.name}_{each.target}".replace(".", "_")
                    copied.target = name
                    setattr(graph, name, getattr(inner, str(each.target)))
    for user in list(node.users):  # each takes one of the results
        user.replace_all_uses_with(returned[user.args[1]])
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def _number_padding(node: Node) -> None:
    """Write `same` and `valid` as numbers; where `same` needs more behind than before, as a padding of its own."""
    arguments: list[Any] = list(node.args) + [None, 1, "valid", 1, 1][len(node.args) - 2 :]
    source, weight = arguments[:2]
    kernel = weight.meta["val"].shape[2:]
    arguments[_STRIDE], arguments[_DILATION] = (_repeated(arguments[i], len(kernel)) for i in (_STRIDE, _DILATION))
    same = arguments[_PADDING] == "same"
    totals = [
        step * (int(length) - 1) if same else 0 for step, length in zip(arguments[_DILATION], kernel, strict=True)
    ]
    before = [total // 2 for total in totals]
    uneven = [total % 2 for total in totals]
    if any(uneven):
        sides = [side for extra in reversed(uneven) for side in (0, extra)]
        with node.graph.inserting_before(node):
            padded = node.graph.call_function(_ATEN.pad.default, (source, sides))
        padded.meta = {"nn_module_stack": node.meta["nn_module_stack"]}
        padded.meta["source_fn_stack"] = [(padded.name, padded.target)]
        padded.meta["val"] = _ATEN.pad.default(source.meta["val"], sides)
        arguments[0] = padded
    arguments[_PADDING] = before
    node.args = tuple(arguments)
    node.target = _WORDED[node.target]  # type: ignore[index]


def _repeated(value: Any, times: int) -> list[int]:
    return [value] * times if isinstance(value, int) else list(value) * (times if len(value) == 1 else 1)


def _own_only_layers(node: Node) -> None:
    """Let nothing but the layer's operator come from a layer's type: the x86 quantizer takes what it finds for it.

    A convolution that pads by reflection, for instance, runs two.
    """
    stack = node.meta.get("source_fn_stack")
    if stack and node.op == "call_function" and stack[-1][1] in _LAYERS and node.target not in _TARGETS:
        node.meta["source_fn_stack"] = [*stack[:-1], (node.name, node.target)]
