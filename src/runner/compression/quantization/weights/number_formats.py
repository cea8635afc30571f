"""Number formats: what float16 and bfloat16 can hold, whole networks in them, and what that costs in accuracy."""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from runner import nested
from runner.compression.meta import Build, assign, built_on_meta, own_tensors, unfilled
from runner.compression.quantization.weights.base import WeightRecipe
from runner.compression.quantization.weights.casting import Casting
from runner.compression.quantization.weights.network import WeightOnlyNetwork, bytes_of
from runner.compression.quantization.weights.settings import TITLES, FormatRecipeSettings
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.nested import Nested


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
    """The facts of torch.finfo or torch.iinfo about `dtype`."""
    name = str(dtype).removeprefix("torch.")
    if dtype.is_floating_point:
        floating = torch.finfo(dtype)
        return NumberFormat(name, floating.bits, floating.min, floating.max, floating.eps, floating.smallest_normal)
    integer = torch.iinfo(dtype)
    return NumberFormat(name, integer.bits, integer.min, integer.max, 1, 1)


def described(each: NumberFormat) -> str:
    """What a format of floating-point numbers can hold, in words."""
    return (
        f"{each.name} reaches from {each.smallest_normal:.3g} to {each.high:.3g}, the next number after 1 being "
        f"{1 + each.eps:g}"
    )


@dataclass(frozen=True)
class FormatRecipe(FormatRecipeSettings, WeightRecipe):
    """The whole network in `dtype`, bfloat16 or float16: half the bytes, no calibration, float32 in and out."""

    kind = "format"

    def make(self, network: nn.Module, batches: Iterable[Nested]) -> WeightOnlyNetwork:
        """The network in `dtype`; `network` stays as it was. One of `batches` shows whether it overflows.

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
        """What the format cost, in words; raises RunnerError where the numbers left its range."""
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
    """What `other` lost against `network`, the float32 network it came from, on `inputs` (N, …)."""
    wanted, got = network(inputs), other(inputs)
    largest = max(float((one.float() - two.float()).abs().max()) for one, two in nested.pairs(wanted, got))
    return FormatError(largest, sqnr(wanted, got), other.bytes, bytes_of(network))


def build_in(dtype: torch.dtype, build: Build, state: Mapping[str, Tensor] | Path) -> nn.Module:
    """The network that `build` makes, directly in `dtype`, with the weights of `state`; never a float32 copy of it.

    It is made without values, and each tensor is cast as it is read; a file (torch.save of a state_dict) is mapped into
    memory, not loaded. What no state_dict keeps is computed in a second model that is built in `dtype`.

    Raises:
        RunnerError: a file that is no state_dict, or weights of another network.
    """
    network = built_on_meta(build).to(dtype)
    tensors = mapped(state) if isinstance(state, Path) else state
    try:
        for name, tensor in tensors.items():
            assign(network, {name: tensor.to(dtype, copy=True) if tensor.is_floating_point() else tensor.clone()})
    except ValueError as error:
        raise RunnerError(f"These weights are of another network: {error}.") from error
    if left := unfilled(network):
        if missing := set(left) & set(network.state_dict()):
            raise RunnerError(f"These weights are of another network: {', '.join(sorted(missing))} not among them.")
        computed = own_tensors(built_in_default(dtype, build))
        assign(network, {name: computed[name].to(dtype) for name in left})
    return network


def built_in_default(dtype: torch.dtype, build: Build) -> nn.Module:
    """What `build` makes where `dtype` is the default of new tensors."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        return build()
    finally:
        torch.set_default_dtype(before)


def mapped(path: Path) -> dict[str, Tensor]:
    """The tensors of a saved state_dict, mapped into memory; RunnerError where there are none."""
    try:
        loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:
        raise RunnerError(f"{path} cannot be read as weights ({type(error).__name__}: {error}).") from error
    if not isinstance(loaded, dict) or not all(isinstance(each, Tensor) for each in loaded.values()):
        raise RunnerError(f"{path} holds no state_dict: a mapping of names to tensors.")
    return loaded
