"""Keep torchao's hands off the batch norms it should leave alone."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import Quantizer

from runner.compression.quantization.backends.quantizers import annotated

_BATCH_NORM = torch.ops.aten.batch_norm.default


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
