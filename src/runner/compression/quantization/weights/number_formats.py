"""Number formats: what float16 and bfloat16 can hold, whole networks in them, and what that costs in accuracy."""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from runner.compression.meta import own_tensors
from runner.compression.quantization.weights.base import WeightRecipe
from runner.compression.quantization.weights.casting import Casting
from runner.compression.quantization.weights.network import WeightOnlyNetwork, bytes_of
from runner.compression.quantization.weights.settings import TITLES, FormatRecipeSettings
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested


@dataclass(frozen=True)
class NumberFormat:
    """What a dtype can hold.

    Attributes:
        bits: of one number.
        low, high: the range.
        eps: the distance from 1 to the next larger number; 1 for integers.
        smallest_normal: the smallest positive number with all digits; 1 for integers.
    """

    name: str
    bits: int
    low: float
    high: float
    eps: float
    smallest_normal: float


@dataclass(frozen=True)
class FormatError:
    """What a network lost against float32: largest difference of an output, SQNR in dB; and its bytes, and before."""

    largest: float
    sqnr_db: float
    bytes: int
    float_bytes: int


def number_format(dtype: torch.dtype) -> NumberFormat:
    """Return the facts of torch.finfo or torch.iinfo about `dtype`."""
    name = str(dtype).removeprefix("torch.")
    if dtype.is_floating_point:
        floating = torch.finfo(dtype)
        return NumberFormat(name, floating.bits, floating.min, floating.max, floating.eps, floating.smallest_normal)
    integer = torch.iinfo(dtype)
    return NumberFormat(name, integer.bits, integer.min, integer.max, 1, 1)


def described(each: NumberFormat) -> str:
    """Return what a format of floating-point numbers can hold, in words."""
    return (
        f"{each.name} reaches from {each.smallest_normal:.3g} to {each.high:.3g}, the next number after 1 being "
        f"{1 + each.eps:g}"
    )


@dataclass(frozen=True)
class FormatRecipe(FormatRecipeSettings, WeightRecipe):
    """The whole network in `dtype`, bfloat16 or float16: half the bytes, no calibration, float32 in and out."""

    kind = "format"

    def make(self, network: nn.Module, batches: Iterable[Nested]) -> WeightOnlyNetwork:
        """Return the network in `dtype`; `network` stays as it was. One of `batches` shows whether it overflows.

        Raises:
            RunnerError: numbers that the format cannot hold, in a weight or in the outputs.
        """
        dtype: torch.dtype = getattr(torch, self.dtype)
        refuse_overflow(network, dtype)
        cast = Casting(copy.deepcopy(network).to(dtype), dtype).eval().requires_grad_(False)
        remarks = [described(number_format(dtype)), *vanished(network, dtype)]
        small = WeightOnlyNetwork(
            cast, self.kind, TITLES[self.dtype], remarks, bytes_of(network), {"dtype": self.dtype}
        )
        for batch in islice(batches, 1):
            remarks.append(self._lost(compare(network.eval(), small, batch)))
        return small

    def _lost(self, error: FormatError) -> str:
        """Return what the format cost, in words; raises RunnerError where the numbers left its range."""
        if not math.isfinite(error.largest):
            high = number_format(getattr(torch, self.dtype)).high
            raise RunnerError(
                f"{TITLES[self.dtype]}: activations leave the range of {self.dtype} (±{high:.3g}); the outputs are not "
                "finite. Use quantization=bf16, which has the range of float32."
            )
        return f"Outputs for calibration data are at most {error.largest:.2g} off, SQNR {error.sqnr_db:.1f} dB"


def refuse_overflow(network: nn.Module, dtype: torch.dtype) -> None:
    """RunnerError naming the tensors with numbers beyond what `dtype` holds."""
    high = torch.finfo(dtype).max
    floats = {name: each for name, each in own_tensors(network).items() if each.is_floating_point() and each.numel()}
    wrong = [name for name, each in floats.items() if not bool(each.abs().max() <= high)]
    if wrong:
        raise RunnerError(
            f"{', '.join(wrong)}: numbers that {number_format(dtype).name} cannot hold (±{high:.3g}), or none at all. "
            "Use quantization=bf16 where float16 is too narrow; train again where training has diverged."
        )


def vanished(network: nn.Module, dtype: torch.dtype) -> list[str]:
    """Remarks about weights that become 0 in `dtype`, where that is more than one in a hundred."""
    remarks = []
    for name, tensor in network.named_parameters():
        share = float(((tensor != 0) & (tensor.to(dtype) == 0)).float().mean()) if tensor.numel() else 0.0
        if share > 0.01:
            remarks.append(f"{share:.1%} of {name} is too small for {number_format(dtype).name} and became 0")
    return remarks


@torch.no_grad()
def compare(network: nn.Module, other: WeightOnlyNetwork, inputs: Nested) -> FormatError:
    """Return what `other` lost against `network`, the float32 network it came from, on `inputs` (N, …)."""
    wanted, got = network(inputs), other(inputs)
    largest = max(float((one.float() - two.float()).abs().max()) for one, two in nested.pairs(wanted, got))
    return FormatError(largest, sqnr(wanted, got), other.bytes, bytes_of(network))
