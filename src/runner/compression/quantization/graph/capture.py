"""Capture a network as a torch.export graph, or say which line of the user's code prevents it."""

import copy
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.backends import mha
from torch.export import export
from torch.fx import GraphModule

from runner.compression.network import refuse_quantized
from runner.compression.quantization.graph import alike
from runner.compression.quantization.graph.normalize import normalize, pad_beforehand
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
