"""XNNPACK's quantizer, taught that a clamp behind a layer is part of it, as ReLU is."""

from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, Quantizer

from runner.compression.quantization.backends.observers import Numerics, activation_spec, weight_spec
from runner.compression.quantization.backends.part import Part
from runner.compression.quantization.graph.operators import ANNOTATION, TARGETS

_ATEN = torch.ops.aten
_CLAMPS = (_ATEN.hardtanh.default, _ATEN.hardtanh_.default)  # ReLU6 is one


class ClampingXNNPACK(Quantizer):
    """Runs `inner`, an XNNPACKQuantizer, then rounds behind the clamp what it would round before.

    It fuses ReLU only (executorch 1.5.1), though XNNPACK's kernels fuse clamps as well. Rounded before ReLU6, 256
    steps must reach as far as the largest value that ReLU6 cuts off: EfficientNet-Lite0 fell from 94 to 38 %.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Transform as `inner` does."""
        transformed: GraphModule = self.inner.transform_for_annotation(model)
        return transformed

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate as `inner` does, then move the clamps."""
        model = self.inner.annotate(model)
        for node in model.graph.nodes:
            if node.target in _CLAMPS:
                round_behind(node)
        return model

    def validate(self, model: GraphModule) -> None:
        """Validate as `inner` does."""
        self.inner.validate(model)


def round_behind(clamp: Node) -> None:
    """Hand what is asked of a layer's output over to the clamp that alone reads it."""
    source = clamp.args[0]
    assert isinstance(source, Node)
    note = source.meta.get(ANNOTATION)
    layer = source.target in TARGETS or source.target is _ATEN.batch_norm.default
    if layer and len(source.users) == 1 and note is not None and note.output_qspec is not None:
        clamp.meta[ANNOTATION] = QuantizationAnnotation(output_qspec=note.output_qspec, _annotated=True)
        note.output_qspec = None


def xnnpack_part(numerics: Numerics, recipe: str) -> Part:
    """Return executorch's quantizer for the layers of one recipe."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack

    activation = activation_spec(numerics, recipe, torch.int8)
    weight = replace(weight_spec(numerics, recipe), quant_min=-127)
    usual = xnnpack.get_symmetric_quantization_config(
        is_per_channel=True, is_qat=recipe == "qat", is_dynamic=recipe == "dynamic"
    )
    output = activation if usual.output_activation is not None else None
    config = replace(usual, input_activation=activation, output_activation=output, weight=weight)
    quantizer = ClampingXNNPACK(xnnpack.XNNPACKQuantizer().set_global(config))
    return Part(recipe, quantizer, QuantizationAnnotation)
