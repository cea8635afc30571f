"""The weight-only recipe: a trained network in, the same network with weights of 2, 4 or 8 bits out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.modules import place
from runner.compression.quantization.arithmetic.parameters import Parameters
from runner.compression.quantization.arithmetic.rounding import quantize
from runner.compression.quantization.weights.base import WeightRecipe
from runner.compression.quantization.weights.clipping import Ranges, full_range, least_error_range
from runner.compression.quantization.weights.gptq import round_by_hessian
from runner.compression.quantization.weights.hessian import calls, hessian
from runner.compression.quantization.weights.layers import Dense, coded
from runner.compression.quantization.weights.network import WeightOnlyNetwork, bytes_of
from runner.compression.quantization.weights.replace import independent, replaceable, sharing_weights
from runner.compression.quantization.weights.settings import WeightOnlyRecipeSettings
from runner.compression.quantization.weights.stored import PackedWeight, grid_of, layout_of
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

RANGES: dict[str, Ranges] = {"nearest": full_range, "mse": least_error_range}


@dataclass(frozen=True)
class WeightOnlyRecipe(WeightOnlyRecipeSettings, WeightRecipe):
    """Linear and Conv2d weights in few bits; activations stay float, or become int8 in linear layers."""

    kind = "weight"

    @property
    def title(self) -> str:
        """Names files and rows of tables."""
        return "w8a8" if self.activation == "int8" else f"int{self.bits}_weights"

    def check(self, network: nn.Module) -> None:
        """Raise RunnerError for a network that is quantized already, has no such layer to skip, or none left."""
        super().check(network)
        found = replaceable(network, self.skip)
        if self.activation == "int8" and not any(isinstance(layer, nn.Linear) for layer in found.values()):
            raise RunnerError(
                f"activation=int8 (w8a8) is for linear layers, and {type(network).__name__} has none outside skip. "
                "Use quantization=weight_int8, or quantization=ptq_static for convolutions."
            )

    def make(self, network: nn.Module, batches: Iterable[Nested]) -> WeightOnlyNetwork:
        """Return the network with coded weights; `network` stays as it was. Nothing is trained.

        In memory: the network once more at most, and for gptq one layer's inputs, their second moments twice, and
        whatever `batches` (inputs (N, …)) itself holds.

        Raises:
            RunnerError: see `check`; weights that are not finite; gptq without calibration data.
        """
        copied = sharing_weights(network)
        layers = replaceable(copied, self.skip)
        refuse_infinite(layers)
        unseen = self._by_correction(copied, layers, batches) if self.rounding == "gptq" else layers
        for layer in unseen.values():
            self._store(copied, layer, *self._nearest(layer))
        packed = independent(copied)
        remarks = self._remarks(network, layers, unseen)
        settings = {key: value for key, value in asdict(self).items() if key not in ("skip", "batches")}
        return WeightOnlyNetwork(packed, self.kind, self.title, remarks, bytes_of(network), settings)

    def _nearest(self, layer: Dense) -> tuple[Tensor, Parameters]:
        weight = layer.weight.detach()
        ranges = RANGES.get(self.rounding, least_error_range)
        parameters = ranges(weight, grid_of(self.bits), layout_of(self.group_size))
        return quantize(weight, parameters), parameters

    def _by_correction(
        self, network: nn.Module, layers: dict[str, Dense], batches: Iterable[Nested]
    ) -> dict[str, Dense]:
        """Round layer after layer, each for what it sees behind rounded ones; the layers that no data reached."""
        kept = list(islice(batches, self.batches))
        if not kept:
            raise RunnerError("rounding=gptq weighs errors by what the layers see: give it calibration data.")
        counted = calls(network, layers.values(), nested.head(kept[0], 1))
        for layer, count in counted.items():
            rounded = round_by_hessian(
                layer.weight, hessian(network, layer, kept, once=count == 1), grid_of(self.bits), self.group_size
            )
            self._store(network, layer, *rounded)
        return {name: layer for name, layer in layers.items() if layer not in counted}

    def _store(self, network: nn.Module, layer: Dense, codes: Tensor, parameters: Parameters) -> None:
        place(network, layer, coded(layer, PackedWeight.of(codes, parameters), self.activation))

    def _remarks(self, network: nn.Module, layers: dict[str, Dense], unseen: dict[str, Dense]) -> list[str]:
        remarks = []
        if short := shorter_groups(layers, self.group_size):
            remarks.append(
                f"Groups of {self.group_size} do not divide {', '.join(short)}: the last of each row is shorter"
            )
        if left := left_in_float(network, layers):
            remarks.append(f"Left in float: {', '.join(left)}")
        if self.rounding == "gptq" and unseen:
            remarks.append(f"No calibration data reached {', '.join(unseen)}: rounded to the nearest")
        if self.activation == "int8" and (images := [n for n, each in layers.items() if isinstance(each, nn.Conv2d)]):
            remarks.append(f"Convolutions have int8 weights and float32 products: {', '.join(images)}")
        return remarks


def refuse_infinite(layers: dict[str, Dense]) -> None:
    """RunnerError naming the layers whose weights are not all finite: rounding would hide that training diverged."""
    wrong = [name for name, layer in layers.items() if not layer.weight.isfinite().all()]
    if wrong:
        raise RunnerError(f"Weights of {', '.join(wrong)} are not finite: training has diverged; train again.")


def shorter_groups(layers: dict[str, Dense], group_size: int | None) -> list[str]:
    """Return the layers whose inputs groups of this size do not divide."""
    return [name for name, layer in layers.items() if group_size and layer.weight[0].numel() % group_size]


def left_in_float(network: nn.Module, layers: dict[str, Dense]) -> list[str]:
    """Modules that keep float weights of two or more dimensions of their own."""
    held = {name for name, module in network.named_modules() for p in module._parameters.values() if holds(p)}
    return sorted(held - set(layers))


def holds(parameter: Any) -> bool:
    """Return whether this is a matrix of floats."""
    return isinstance(parameter, torch.Tensor) and parameter.dim() > 1 and parameter.is_floating_point()
