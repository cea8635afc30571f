"""An own quantizer, written to be copied: linear layers only.

Int8 activations per tensor, int8 weights per channel.
A quantizer says where integers go; it changes no numbers. `annotate` leaves on each operator a note: which of
its inputs are to be quantized, and by which spec. torchao then puts observers there, and the lowering turns
`dequantize -> linear` into one integer kernel. To cover another operator, add its target and the positions of
its activation and its weight.
"""

import torch
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

from runner.compression.quantization.backends.observers import Numerics, activation_spec, weight_spec
from runner.compression.quantization.backends.part import Part, annotate_weighted
from runner.compression.quantization.graph.operators import ANNOTATION


class LinearQuantizer(Quantizer):
    """Annotates every `aten.linear`: input by `activation`, weight by `weight`, bias and output stay float."""

    def __init__(self, activation: QuantizationSpec, weight: QuantizationSpec) -> None:
        self.activation = activation
        self.weight = weight

    def annotate(self, model: GraphModule) -> GraphModule:
        """Note on each linear operator that carries no note yet."""
        for node in model.graph.nodes:
            if node.target == torch.ops.aten.linear.default and ANNOTATION not in node.meta:
                annotate_weighted(node, self.activation, self.weight)
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing to refuse: whatever was annotated can be lowered."""


def linear_part(numerics: Numerics, recipe: str) -> Part:
    """Return the quantizer for the linear layers of one recipe."""
    activation, weight = activation_spec(numerics, recipe), weight_spec(numerics, recipe)
    return Part(recipe, LinearQuantizer(activation, weight), QuantizationAnnotation, activation, weight)
