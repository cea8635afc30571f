"""Depthwise: k×k convolutions become one kernel a channel and a 1×1 convolution, as near as these can come."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.answer import Answer, called
from runner.compression.factorization.factorized import (
    Factorized,
    Row,
    candidates,
    check,
    check_answers,
    filled,
    kept,
    refuse_unchanged,
    size_of,
)
from runner.compression.replace import replaced
from runner.compression.structure.depthwise import pair
from runner.errors import RunnerError

KINDS = (nn.Conv2d,)


@dataclass(frozen=True)
class Depthwise:
    """Depthwise-separable convolutions (Howard et al., 2017: MobileNets) in place of `nn.Conv2d` layers with groups=1.

    The kernels (out, k · k) of one input channel are approximated by `multiplier` kernels that all outputs share, each
    output with factors of its own: the truncated singular value decomposition of every channel, which is the nearest
    there is. The error of a single kernel a channel is large all the same; train it further, best with a teacher.

    Attributes:
        multiplier: kernels for each input channel, at least 1.
        least_channels: convolutions over fewer input channels stay: they would be left with hardly any kernel.
        skip: layers that stay, by name (globs) or type.
    """

    multiplier: int = 1
    least_channels: int = 4
    skip: Sequence[str] = ()
    kind = "depthwise"

    def __post_init__(self) -> None:
        """Raises RunnerError for a multiplier below 1."""
        if self.multiplier < 1:
            raise RunnerError(f"factorization.multiplier={self.multiplier}: must be a whole number, at least 1.")

    def check(self, network: nn.Module) -> None:
        """Raises RunnerError for what `apply` would refuse whatever the weights are."""
        check(network, KINDS, self.skip)

    def apply(self, network: nn.Module, example: Any, answer: Answer = called) -> Factorized:
        """The factorized copy of `network` (float), which stays as it was.

        Layers that would not get smaller stay, and their rows say so.

        Args:
            example: inputs (N, …) that the changed network is tried on.
            answer: the outputs of a network for inputs, where there is more to it than calling the network.

        Raises:
            RunnerError: nothing to factorize, a name in `skip` that matches nothing, or weights read from outside.
        """
        rows: list[Row] = []
        halves: dict[str, tuple[Tensor, Tensor]] = {}
        for name, skipped in candidates(network, KINDS, self.skip).items():
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            if reason := skipped or self.obstacle(layer):
                rows.append(kept(name, layer, reason))
                continue
            kernels, factors, error = separated(layer.weight.detach(), self.multiplier)
            halves[name] = kernels, factors
            rows.append(Row(name, self.multiplier, size_of(layer), self.size_after(layer), error))
        advice = "Separable are convolutions larger than 1×1 without groups; factorization=low_rank does others."
        refuse_unchanged(rows, network, advice)
        changed = replaced(network, halves, stand_in)
        check_answers(changed, example, answer, rows)
        step = {"change": "depthwise", "layers": list(halves), "multiplier": self.multiplier}
        return Factorized(changed, [step], rows)

    def obstacle(self, layer: nn.Conv2d) -> str:
        """Why a convolution stays; empty where it need not."""
        if layer.groups > 1:
            return "works on groups of channels"
        if math.prod(layer.kernel_size) == 1:
            return "is 1×1 already"
        if layer.in_channels < self.least_channels:
            return f"has fewer than {self.least_channels} input channels"
        if self.size_after(layer) >= size_of(layer):
            return f"{self.multiplier} kernels a channel save nothing"
        return ""

    def size_after(self, layer: nn.Conv2d) -> int:
        """The parameters of the two layers that would stand for a convolution."""
        between = layer.in_channels * self.multiplier
        bias = 0 if layer.bias is None else len(layer.bias)
        return between * (math.prod(layer.kernel_size) + layer.out_channels) + bias


def separated(weight: Tensor, multiplier: int) -> tuple[Tensor, Tensor, float]:
    """Kernels and factors nearest to a weight (out, in, kh, kw), and the relative error in the Frobenius norm.

    Returns:
        Float64 kernels (in · multiplier, 1, kh, kw), those of a channel side by side, and factors
        (out, in · multiplier, 1, 1).
    """
    out, kernel = len(weight), weight.shape[2:]
    # In double precision: what is lost is a difference of large sums.
    left, values, right = torch.linalg.svd(weight.double().flatten(2).transpose(0, 1), full_matrices=False)
    root, energies = values[:, :multiplier].sqrt(), values.square()
    kernels = root[:, :, None] * right[:, :multiplier]
    factors = left[:, :, :multiplier] * root[:, None]
    lost = energies[:, multiplier:].sum() / energies.sum().clamp_min(torch.finfo(energies.dtype).tiny)
    return kernels.reshape(-1, 1, *kernel), factors.transpose(0, 1).reshape(out, -1, 1, 1), math.sqrt(lost)


def stand_in(layer: nn.Conv2d, halves: tuple[Tensor, Tensor]) -> nn.Module:
    """The two convolutions that stand for `layer`, with these weights and its bias."""
    return filled(pair(layer, len(halves[0]) // layer.in_channels), halves, layer.bias)
