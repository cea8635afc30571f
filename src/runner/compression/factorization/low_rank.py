"""Low rank: linear and convolution layers cut in two along their largest singular values."""

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
from runner.compression.structure.low_rank import pair
from runner.errors import RunnerError

KINDS = (nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class LowRank:
    """Truncated singular value decomposition of `nn.Linear` and `nn.Conv2d` (groups=1) layers.

    Weights W (out, in · kernel) = U S Vᵀ become √S Vᵀ, then U √S, which of all pairs through so few channels are
    nearest to W in the Frobenius norm (Eckart and Young, 1936); for convolutions see Zhang et al. (2015), section 3.1.

    Attributes:
        rank: channels between the two: a share of each layer's full rank where below 1, else a number.
        energy: in place of `rank` where it is given: the share of the sum of squared singular values that each layer
            keeps, above 0 and up to 1, by the smallest rank that does.
        skip: layers that stay, by name (globs) or type.
    """

    rank: float = 0.25
    energy: float | None = None
    skip: Sequence[str] = ()
    kind = "low_rank"

    def __post_init__(self) -> None:
        """Raises RunnerError for a rank or an energy out of range."""
        if self.rank <= 0 or (self.rank > 1 and self.rank != int(self.rank)):
            raise RunnerError(f"factorization.rank={self.rank}: must be a share between 0 and 1, or a whole number.")
        if self.energy is not None and not 0 < self.energy <= 1:
            raise RunnerError(f"factorization.energy={self.energy}: must be above 0 and up to 1.")

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
        for name, reason in candidates(network, KINDS, self.skip).items():
            layer = network.get_submodule(name)
            assert isinstance(layer, (nn.Linear, nn.Conv2d))
            grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1
            if reason or grouped:
                rows.append(kept(name, layer, reason or "works on groups of channels"))
                continue
            row, two = self.cut(name, layer)
            rows.append(row)
            if not row.stays:
                halves[name] = two
        refuse_unchanged(rows, network, "Lower factorization.rank (or energy), or leave the stage factorize out.")
        changed = replaced(network, halves, stand_in)
        check_answers(changed, example, answer, rows)
        ranks = {row.layer: row.rank for row in rows if not row.stays}
        return Factorized(changed, [{"change": "low_rank", "ranks": ranks}], rows)

    def cut(self, name: str, layer: nn.Linear | nn.Conv2d) -> tuple[Row, tuple[Tensor, Tensor]]:
        """A layer's row, and the weights (rank, in · kernel) and (out, rank) of the two that may stand for it."""
        weight = layer.weight.detach().flatten(1)
        # In double precision: the energies of the smallest values are differences of large sums.
        left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
        energies = values.square()
        rank = self.rank_for(energies)
        bias = 0 if layer.bias is None else len(layer.bias)
        after = rank * (weight.shape[0] + weight.shape[1]) + bias
        if after >= size_of(layer):
            limit = largest_saving(weight)
            reason = f"rank {rank} of {len(values)} saves nothing" + (f"; {limit} would" if limit else "")
            return kept(name, layer, reason), (weight, weight)
        root = values[:rank].sqrt()
        lost = energies[rank:].sum() / energies.sum().clamp_min(torch.finfo(energies.dtype).tiny)
        row = Row(name, rank, size_of(layer), after, math.sqrt(lost))
        return row, (root[:, None] * right[:rank], left[:, :rank] * root)

    def rank_for(self, energies: Tensor) -> int:
        """The rank of a layer with these squared singular values (rank,), the largest first; at least 1."""
        if self.energy is not None:
            # The last sum is all there is, but for rounding.
            enough = (self.energy - 1e-12) * energies.sum()
            return min(int((energies.cumsum(0) < enough).sum()) + 1, len(energies))
        wanted = math.ceil(self.rank * len(energies)) if self.rank < 1 else int(self.rank)
        return min(max(wanted, 1), len(energies))


def largest_saving(weight: Tensor) -> int:
    """The largest rank with fewer numbers than a matrix (out, in) has; 0 where there is none."""
    rows, columns = weight.shape
    return (rows * columns - 1) // (rows + columns)


def stand_in(layer: nn.Linear | nn.Conv2d, halves: tuple[Tensor, Tensor]) -> nn.Module:
    """The two layers that stand for `layer`, with these weights and its bias."""
    return filled(pair(layer, len(halves[0])), halves, layer.bias)
