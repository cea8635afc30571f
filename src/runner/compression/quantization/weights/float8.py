"""Weights in 8-bit floats (e4m3): how one is stored, and the recipe that stores those of a whole network so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.modules import place
from runner.compression.quantization.weights.base import WeightRecipe
from runner.compression.quantization.weights.layers import coded
from runner.compression.quantization.weights.network import WeightOnlyNetwork, bytes_of
from runner.compression.quantization.weights.replace import independent, replaceable, sharing_weights
from runner.compression.quantization.weights.settings import Float8RecipeSettings
from runner.compression.quantization.weights.stored import StoredWeight
from runner.compression.quantization.weights.weight_only import left_in_float, refuse_infinite
from runner.measure.nested import Nested

E4M3 = torch.float8_e4m3fn


class Float8Weight(StoredWeight):
    """e4m3 numbers: a sign, four bits of exponent, three of fraction, up to 448, no infinity.

    `codes` float8_e4m3fn in the weight's shape, `scale` float32 (out,): the largest magnitude of each output channel
    becomes 448. Relative errors are at most 1/16, whatever the magnitude, down to 2^-6 of the codes' unit.

    Source: P. Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433, table 1.
    """

    codes: Tensor
    scale: Tensor

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        super().__init__(codes.shape)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)

    @classmethod
    def of(cls, weight: Tensor) -> "Float8Weight":
        """Return a finite float weight (out, …) rounded to the nearest; channels of zeros stay zeros."""
        values = weight.detach().float()
        largest = values.abs().flatten(1).amax(1)
        scale = torch.where(largest > 0, largest / torch.finfo(E4M3).max, torch.ones_like(largest))
        scale = scale.clamp(min=torch.finfo(torch.float32).tiny)
        return cls((values / over_channels(scale, values)).to(E4M3), scale)

    @classmethod
    def restored(cls, shape: torch.Size, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Float8Weight":
        """See StoredWeight.restored."""
        codes, scale = tensors["codes"], tensors["scale"]
        if codes.shape != shape or codes.dtype != E4M3 or scale.shape != shape[:1]:
            raise ValueError(f"{codes.dtype} {tuple(codes.shape)}, scales {tuple(scale.shape)}, not {tuple(shape)}")
        return cls(codes, scale)

    @property
    def settings(self) -> dict[str, Any]:
        """See StoredWeight.settings."""
        return {}

    def forward(self) -> Tensor:
        """See StoredWeight.forward."""
        return self.codes.float() * over_channels(self.scale, self.codes)


def over_channels(scale: Tensor, weight: Tensor) -> Tensor:
    """Return `scale` (out,) so that it multiplies the channels of `weight` (out, …)."""
    return scale.view(-1, *[1] * (weight.dim() - 1))


@dataclass(frozen=True)
class Float8Recipe(Float8RecipeSettings, WeightRecipe):
    """Linear and Conv2d weights in e4m3, one scale for each output channel; products are those of float32."""

    kind = "float8"

    def check(self, network: nn.Module) -> None:
        """Raise RunnerError for a network that is quantized already, has no such layer to skip, or none left."""
        super().check(network)
        replaceable(network, self.skip)

    def make(self, network: nn.Module, batches: Iterable[Nested]) -> WeightOnlyNetwork:
        """Return the network with e4m3 weights; `network` stays as it was. Needs no data, and trains nothing.

        Raises:
            RunnerError: see `check`; weights that are not finite.
        """
        copied = sharing_weights(network)
        layers = replaceable(copied, self.skip)
        refuse_infinite(layers)
        numbers = sum(layer.weight.numel() for layer in layers.values())
        for layer in layers.values():
            place(copied, layer, coded(layer, Float8Weight.of(layer.weight), "float32"))
        whole = sum(each.numel() for each in network.parameters())
        remarks = [f"{numbers / whole:.1%} of the parameters are in e4m3"]
        if left := left_in_float(network, layers):
            remarks.append(f"Left in float: {', '.join(left)}")
        return WeightOnlyNetwork(independent(copied), self.kind, "fp8", remarks, bytes_of(network), {})
