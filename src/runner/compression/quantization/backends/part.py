"""Part: a quantizer for the layers of one recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer


@dataclass(frozen=True)
class Part:
    """One quantizer and the recipe of the layers it may touch; the specs serve operators it overlooks."""

    recipe: str
    quantizer: Quantizer
    mark: Callable[..., QuantizationAnnotation]
    activation: QuantizationSpec | None = None
    weight: QuantizationSpec | None = None
