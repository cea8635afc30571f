"""Depthwise: k×k convolutions become one kernel a channel and a 1×1 convolution, as near as these can come."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.factorization.factorized import Row, size_of
from runner.compression.factorization.recipe import Cut, FactorizationRecipe
from runner.compression.factorization.settings import DepthwiseSettings
from runner.compression.modules import alike, geometry, laid_out_like, replaced


@dataclass(frozen=True)
class Depthwise(DepthwiseSettings, FactorizationRecipe):
    """Depthwise-separable convolutions (Howard et al., 2017: MobileNets) in place of `nn.Conv2d` layers with groups=1.

    The kernels (out, k · k) of one input channel are approximated by `multiplier` kernels that all outputs share, each
    output with factors of its own: the truncated singular value decomposition of every channel, which is the nearest
    there is. The error of a single kernel a channel is large all the same; train it further, best with a teacher.
    """

    kind = "depthwise"
    kinds = (nn.Conv2d,)
    advice = "Separable are convolutions larger than 1×1 without groups; factorization=low_rank does others."

    def cut(self, layer: nn.Conv2d) -> Cut | str:
        """See FactorizationRecipe.cut."""
        if layer.groups > 1:
            return "works on groups of channels"
        if math.prod(layer.kernel_size) == 1:
            return "is 1×1 already"
        if layer.in_channels < self.least_channels:
            return f"has fewer than {self.least_channels} input channels"
        between, bias = layer.in_channels * self.multiplier, 0 if layer.bias is None else len(layer.bias)
        if between * (math.prod(layer.kernel_size) + layer.out_channels) + bias >= size_of(layer):
            return f"{self.multiplier} kernels a channel save nothing"
        kernels, factors, error = separated(layer.weight.detach(), self.multiplier)
        return Cut((kernels, factors), self.multiplier, error)

    def pair(self, layer: nn.Conv2d, cut: Cut) -> nn.Sequential:
        """Return `depthwise`, `multiplier` kernels an input channel, and `pointwise`, shaped to stand for `layer`."""
        return pair(layer, cut.rank)

    def step(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See FactorizationRecipe.step."""
        return {"change": "depthwise", "layers": [row.layer for row in rows], "multiplier": self.multiplier}


def separated(weight: Tensor, multiplier: int) -> tuple[Tensor, Tensor, float]:
    """Return kernels and factors nearest to a weight (out, in, kh, kw), and the relative error in the Frobenius norm.

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


def rebuild(network: nn.Module, *, layers: list[str], multiplier: int) -> nn.Module:
    """Return a copy of `network` whose convolutions in `layers` are separated; the values are left open.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    return replaced(network, dict.fromkeys(layers, multiplier), pair)


def pair(layer: nn.Conv2d, multiplier: int) -> nn.Sequential:
    """See FactorizationRecipe.pair.

    The depthwise part has the layer's own geometry (size, stride, padding, dilation); the bias goes with the second.
    """
    between = layer.in_channels * multiplier
    depthwise = nn.Conv2d(
        layer.in_channels, between, groups=layer.in_channels, bias=False, **geometry(layer), **alike(layer)
    )
    pointwise = nn.Conv2d(between, layer.out_channels, 1, bias=layer.bias is not None, **alike(layer))
    parts = OrderedDict(depthwise=laid_out_like(depthwise, layer), pointwise=laid_out_like(pointwise, layer))
    return nn.Sequential(parts)
