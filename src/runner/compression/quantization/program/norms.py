"""Batch norms of a graph that is fine-tuned: fused before, folded after, and kept from torchao's hands."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn import functional
from torchao.quantization.pt2e import qat_utils
from torchao.quantization.pt2e.quantizer import Quantizer

from runner.compression.quantization.backends.quantizers import annotated
from runner.compression.quantization.graph.editing import value_of
from runner.compression.quantization.graph.modes import BatchNormConstants, fused_sums, running_variance

_ATEN = torch.ops.aten
_CONVOLUTIONS: dict[Any, Any] = {
    functional.conv1d: _ATEN.conv1d.default,
    functional.conv2d: _ATEN.conv2d.default,
    functional.conv_transpose1d: _ATEN.conv_transpose1d.default,
    functional.conv_transpose2d: _ATEN.conv_transpose2d.input,
}
_TRACED: dict[tuple[str, tuple[Any, ...], bool], GraphModule] = {}
_BATCH_NORM = torch.ops.aten.batch_norm.default


@contextmanager
def quick_fusion() -> Iterator[None]:
    """Let `prepare_qat_pt2e` trace only patterns of convolutions that the graph holds, each once in a process.

    Otherwise it traces twelve every time (twice that where there is a GPU), which takes five seconds.
    """
    fuse, trace = qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern

    def fuse_present(graph: GraphModule, convolution: Callable[..., Any], *rest: Any, **options: Any) -> GraphModule:
        wanted = _CONVOLUTIONS.get(convolution)
        absent = wanted is not None and all(node.target is not wanted for node in graph.graph.nodes)
        return graph if absent else fuse(graph, convolution, *rest, **options)

    def trace_once(pattern: Any, inputs: Any, is_cuda: bool = False, **options: Any) -> GraphModule:
        # a function written within another, for one convolution, which it holds
        held = tuple(cell.cell_contents for cell in pattern.fn.__closure__ or ())
        key = (pattern.fn.__qualname__, held, is_cuda)
        if options:
            return trace(pattern, inputs, is_cuda, **options)
        if key not in _TRACED:
            _TRACED[key] = trace(pattern, inputs, is_cuda)
        return copy.deepcopy(_TRACED[key])

    qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern = fuse_present, trace_once
    try:
        yield
    finally:
        qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern = fuse, trace


def fold_batch_norms(graph: GraphModule, constants: dict[str, BatchNormConstants]) -> None:
    """Fold fake-quantized scaled weight, convolution, division, batch norm into one convolution.

    Acts on `graph`, in inference mode.

    convert_pt2e would do the same with epsilon 1e-5 whatever the network's own (ao#2980: 13 dB on small
    variances), and takes 20 to 40 s, tracing 48 patterns anew each time; this takes milliseconds.
    """
    fused = fused_sums(graph)
    for node in list(graph.graph.nodes):
        name = running_variance(node) if node.target == _ATEN.batch_norm.default else None
        if name in fused:
            _fold(graph, node, constants[name].eps)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _fold(graph: GraphModule, norm: Any, eps: float) -> None:
    division = norm.args[0]
    bias = torch.zeros(())
    if division.target == _ATEN.add.Tensor:
        division, shifted = division.args[:2]
        bias = value_of(graph, shifted.args[0])
    convolution = division.args[0]
    quantizer = convolution.args[1]
    product = quantizer.args[0]
    weight, scale_shape = product.args[0], product.args[1].args[1]
    gain, offset, mean, variance = (value_of(graph, source) for source in norm.args[1:5])
    with torch.no_grad():
        scale = gain / torch.sqrt(variance + eps)
        folded = {
            "weight": value_of(graph, weight) * scale.reshape(scale_shape),
            "bias": (bias - mean) * scale + offset,
        }
    nodes = {}
    for kind, value in folded.items():
        name = f"{convolution.name}_folded_{kind}"
        graph.register_parameter(name, nn.Parameter(value, requires_grad=False))
        with graph.graph.inserting_before(quantizer):
            nodes[kind] = graph.graph.get_attr(name)
    quantizer.args = (nodes["weight"],)
    convolution.args = (convolution.args[0], quantizer, nodes["bias"], *convolution.args[3:])
    norm.replace_all_uses_with(convolution)


def float_batch_norm(*arguments: Any) -> Tensor:
    """Run aten.batch_norm under a name that torchao's pattern for `convolution, batch norm` doesn't match."""
    return _BATCH_NORM(*arguments)


class KeepFloatNorms(Quantizer):
    """Quantizer `inner`, which then hides the batch norms behind convolutions nobody quantizes.

    prepare_qat_pt2e fuses every convolution with its batch norm, quantized or not; the ones not quantized are
    never folded back at conversion and end as slow float arithmetic ("TODO: only fuse if conv and bn are both
    configured").
    """

    def __init__(self, inner: Quantizer) -> None:
        self.inner = inner

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Transform as `inner` does."""
        return self.inner.transform_for_annotation(model)

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate as `inner` does, then hide."""
        model = self.inner.annotate(model)
        for node in model.graph.nodes:
            if node.target is _BATCH_NORM and isinstance(node.args[0], Node) and not annotated(node.args[0]):
                node.target = float_batch_norm
        return model

    def validate(self, model: GraphModule) -> None:
        """Validate as `inner` does."""
        self.inner.validate(model)


def hide_norms(graph: GraphModule) -> None:
    """Hide every batch norm of `graph`: convert_pt2e, seeing none, skips its slow search for ones to fold."""
    for node in graph.graph.nodes:
        if node.target is _BATCH_NORM:
            node.target = float_batch_norm
    graph.recompile()


def restore_float_norms(graph: GraphModule) -> None:
    """Give the hidden batch norms their own name back."""
    for node in graph.graph.nodes:
        if node.target is float_batch_norm:
            node.target = _BATCH_NORM
    graph.recompile()
