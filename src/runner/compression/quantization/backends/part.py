"""Part: a quantizer for the layers of one recipe; and the note that it leaves on an operator with a weight."""

from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

from runner.compression.quantization.graph.operators import ANNOTATION


@dataclass(frozen=True)
class Part:
    """One quantizer and the recipe of the layers it may touch; the specs serve operators it overlooks."""

    recipe: str
    quantizer: Quantizer
    mark: Callable[..., QuantizationAnnotation]
    activation: QuantizationSpec | None = None
    weight: QuantizationSpec | None = None


def annotate_weighted(node: Node, activation: QuantizationSpec, weight: QuantizationSpec) -> None:
    """Ask for the input (argument 0) and the weight (argument 1) of `node` to be quantized."""
    inputs = {node.args[0]: activation, node.args[1]: weight}
    node.meta[ANNOTATION] = QuantizationAnnotation(input_qspec_map=inputs, _annotated=True)
