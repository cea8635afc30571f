"""Say the same in the words that quantizers know: one graph, plain paddings, one operator for each layer traced."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torch.nn.modules.conv import _ConvNd

_ATEN = torch.ops.aten
# Convolutions whose padding is a word, and the same with numbers.
_WORDED = {
    _ATEN.conv1d.padding: _ATEN.conv1d.default,
    _ATEN.conv2d.padding: _ATEN.conv2d.default,
    _ATEN.conv3d.padding: _ATEN.conv3d.default,
}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_TARGETS = (*_WORDED.values(), _ATEN.linear.default)
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
