"""What the recipes can be told that change how weights are kept, checked without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Rule, Settings, at_least, one_of, show

WIDTHS = (2, 4, 8)
ACTIVATIONS = ("float32", "bfloat16", "int8")
NEAREST, MSE, GPTQ = ROUNDINGS = ("nearest", "mse", "gptq")
TITLES = {"bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class WeightOnlyRecipeSettings(Settings):
    """Settings of weights in few bits.

    Attributes:
        bits: 2, 4 or 8.
        group_size: weights of a row that share a scale, along the flattened inputs; None for a whole row.
        activation: what products are computed in. float32 (W8A32), bfloat16 (W8A16), int8 (W8A8: linear layers only,
            scales per token).
        rounding: nearest; mse (to the nearest, in the range with the least squared error); gptq (layer by layer, errors
            made up for in the weights that follow; wants calibration data).
        skip: layers left in float, by name (globs) or type.
        batches: how much of the calibration data gptq uses at most (None: all).
    """

    section: ClassVar[str] = "quantization"
    bits: Annotated[int, Rule("2, 4 or 8", lambda value: value in WIDTHS)] = 8
    group_size: Annotated[int, at_least(1)] | None = None
    activation: Annotated[str, one_of(*ACTIVATIONS)] = "float32"
    rounding: Annotated[str, one_of(*ROUNDINGS)] = NEAREST
    skip: Sequence[str] = ()
    batches: int | None = None

    def conflicts(self) -> Iterator[str]:
        """See Settings.conflicts."""
        if self.activation == "int8" and (self.bits != 8 or self.group_size is not None):
            yield (
                "quantization.activation=int8 multiplies whole rows in integers: it needs bits=8 and group_size=null, "
                f"not bits={self.bits} and group_size={show(self.group_size)}."
            )


@dataclass(frozen=True)
class SharedWeightsRecipeSettings(Settings):
    """Settings of shared weights.

    Attributes:
        clusters: 2 to 256. The file takes at most log2(clusters) bits a weight and, as weights crowd around zero, less.
        skip: layers left in float, by name (globs) or type.
    """

    section: ClassVar[str] = "quantization"
    clusters: Annotated[int, Rule("from 2 to 256", lambda value: 2 <= value <= 256)] = 16
    skip: Sequence[str] = ()


@dataclass(frozen=True)
class Float8RecipeSettings(Settings):
    """Settings of weights in 8-bit floats.

    Attributes:
        skip: layers left in float, by name (globs) or type.
    """

    section: ClassVar[str] = "quantization"
    skip: Sequence[str] = ()


@dataclass(frozen=True)
class FormatRecipeSettings(Settings):
    """Settings of the whole network in another number format.

    Attributes:
        dtype: bfloat16 or float16.
    """

    section: ClassVar[str] = "quantization"
    dtype: Annotated[str, one_of(*TITLES)] = "bfloat16"
