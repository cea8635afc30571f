"""Low rank: linear and convolution layers cut in two along their largest singular values."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.factorization.factorized import Row, size_of
from runner.compression.factorization.recipe import Cut, FactorizationRecipe
from runner.compression.factorization.settings import LowRankSettings
from runner.compression.modules import alike, geometry, laid_out_like, replaced


@dataclass(frozen=True)
class LowRank(LowRankSettings, FactorizationRecipe):
    """Truncated singular value decomposition of `nn.Linear` and `nn.Conv2d` (groups=1) layers.

    Weights W (out, in · kernel) = U S Vᵀ become √S Vᵀ, then U √S, which of all pairs through so few channels are
    nearest to W in the Frobenius norm (Eckart and Young, 1936); for convolutions see Zhang et al. (2015), section 3.1.
    """

    kind = "low_rank"
    kinds = (nn.Linear, nn.Conv2d)
    advice = "Lower factorization.rank (or energy), or leave the stage factorize out."

    @property
    def depends_on_weights(self) -> bool:
        """Whether `energy` decides."""
        return self.energy is not None

    def cut(self, layer: nn.Linear | nn.Conv2d) -> Cut | str:
        """See FactorizationRecipe.cut; the weights are (rank, in · kernel) and (out, rank)."""
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            return "works on groups of channels"
        weight = layer.weight.detach().flatten(1)
        # In double precision: the energies of the smallest values are differences of large sums.
        left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
        energies = values.square()
        rank = self.rank_for(energies)
        bias = 0 if layer.bias is None else len(layer.bias)
        if rank * (weight.shape[0] + weight.shape[1]) + bias >= size_of(layer):
            limit = largest_saving(weight)
            return f"rank {rank} of {len(values)} saves nothing" + (f"; {limit} would" if limit else "")
        root = values[:rank].sqrt()
        lost = energies[rank:].sum() / energies.sum().clamp_min(torch.finfo(energies.dtype).tiny)
        return Cut((root[:, None] * right[:rank], left[:, :rank] * root), rank, math.sqrt(lost))

    def pair(self, layer: nn.Linear | nn.Conv2d, cut: Cut) -> nn.Sequential:
        """Return `depthwise`, `multiplier` kernels an input channel, and `pointwise`, shaped to stand for `layer`."""
        return pair(layer, cut.rank)

    def step(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See FactorizationRecipe.step."""
        return {"change": "low_rank", "ranks": {row.layer: row.rank for row in rows}}

    def rank_for(self, energies: Tensor) -> int:
        """Return the rank of a layer with these squared singular values (rank,), the largest first; at least 1."""
        if self.energy is not None:
            # The last sum is all there is, but for rounding.
            enough = (self.energy - 1e-12) * energies.sum()
            return min(int((energies.cumsum(0) < enough).sum()) + 1, len(energies))
        wanted = math.ceil(self.rank * len(energies)) if self.rank < 1 else int(self.rank)
        return min(max(wanted, 1), len(energies))


def largest_saving(weight: Tensor) -> int:
    """Return the largest rank with fewer numbers than a matrix (out, in) has; 0 where there is none."""
    rows, columns = weight.shape
    return (rows * columns - 1) // (rows + columns)


def rebuild(network: nn.Module, *, ranks: dict[str, int]) -> nn.Module:
    """Return a copy of `network` whose layers named in `ranks` pass through that many channels, values left open.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    return replaced(network, ranks, pair)


def pair(layer: nn.Conv2d | nn.Linear, rank: int) -> nn.Sequential:
    """Return `reduce` to `rank` channels and `expand` to the outputs, in the shapes that stand for `layer`.

    A convolution is reduced by its own kernel (size, stride, padding, dilation) and expanded by 1×1 (Zhang et al.,
    2015: Accelerating Very Deep Convolutional Networks, section 3.1). The bias goes with the second.
    """
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        reduce: nn.Module = nn.Linear(layer.in_features, rank, bias=False, **alike(layer))
        expand: nn.Module = nn.Linear(rank, layer.out_features, bias=bias, **alike(layer))
        return nn.Sequential(OrderedDict(reduce=reduce, expand=expand))
    reduce = nn.Conv2d(layer.in_channels, rank, bias=False, **geometry(layer), **alike(layer))
    expand = nn.Conv2d(rank, layer.out_channels, 1, bias=bias, **alike(layer))
    return nn.Sequential(OrderedDict(reduce=laid_out_like(reduce, layer), expand=laid_out_like(expand, layer)))
