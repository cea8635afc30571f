"""Magnitude pruning: the least important weights set to zero, one by one; shapes, and dense programs, stay."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from runner.compression.pruning import zeros
from runner.compression.pruning.importance import weight_scores
from runner.compression.pruning.recipe import Pruned, PruningContext, PruningRecipe
from runner.compression.pruning.settings import GLOBAL, MagnitudePruningSettings
from runner.compression.pruning.weights import prunable, with_zeros
from runner.errors import RunnerError

# Below this share of its weights a layer hardly passes anything on.
COLLAPSED = 0.01


@dataclass(frozen=True)
class MagnitudePruning(MagnitudePruningSettings, PruningRecipe):
    """Sets the smallest weights to zero (Han et al., NeurIPS 2015).

    Biases and normalization stay. The step `zeros` makes later trainings keep the zeros (`pruning.zeros.KeptZeros`).

    See `MagnitudePruningSettings` for the settings.
    """

    kind = "magnitude"

    @property
    def target(self) -> float:
        """See PruningRecipe.target; a share of the weights."""
        return self.ratio

    def zeros(self, network: nn.Module, amount: float, context: PruningContext) -> dict[str, Tensor]:
        """Return where weights shall be zero, by name (bool, as the parameter): those that are already, and more."""
        weights = prunable(network, self.skip)
        scores = weight_scores(network, list(weights), self.importance, context)
        for name, weight in weights.items():  # what is zero comes first, whatever else scores nothing
            scores[name] = scores[name].masked_fill(weight == 0, -1)
        return _lowest(scores, amount) if self.scope == GLOBAL else _lowest_of_each(scores, amount)

    def apply(self, network: nn.Module, amount: float, context: PruningContext) -> Pruned:
        """See PruningRecipe.apply."""
        masks = self.zeros(network, amount, context)
        return Pruned(with_zeros(network, masks), (zeros.STEP,), collapsed(masks))


def collapsed(masks: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return a warning where hardly anything is left of a layer (layer collapse: Tanaka et al., NeurIPS 2020)."""
    left = {name: (int((~mask).sum()), mask.numel()) for name, mask in masks.items()}
    thin = [f"{name} ({few:,} of {all_:,})" for name, (few, all_) in left.items() if few < COLLAPSED * all_]
    if not thin:
        return ()
    return (f"Hardly any weights are left of {', '.join(thin[:4])}; pruning.scope=layer takes the same share of each.",)


def _lowest(scores: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Mark the share `amount` of all scores together, the lowest; the highest of each tensor stays in any case."""
    tops = {name: float(each.max()) for name, each in scores.items()}
    flat = torch.cat([_with_top(each).flatten() for each in scores.values()])
    count = round(amount * len(flat))
    if count > len(flat) - len(scores):
        _refuse(min(tops, key=tops.__getitem__), amount, 1 - len(scores) / len(flat))
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[flat.topk(count, largest=False, sorted=False).indices] = True
    parts = mask.split([each.numel() for each in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def _with_top(scores: Tensor) -> Tensor:
    """Return the scores, the highest of them above every other tensor's."""
    return scores.flatten().index_fill(0, scores.argmax().view(1), float("inf"))


def _lowest_of_each(scores: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Mark the share `amount` of every tensor's scores, the lowest."""
    smallest = min(scores, key=lambda name: scores[name].numel())
    size = scores[smallest].numel()
    if round(amount * size) >= size:
        _refuse(smallest, amount, (size - 1) / size)
    found = {}
    for name, each in scores.items():
        mask = torch.zeros(each.numel(), dtype=torch.bool, device=each.device)
        mask[each.flatten().topk(round(amount * each.numel()), largest=False, sorted=False).indices] = True
        found[name] = mask.view_as(each)
    return found


def _refuse(name: str, amount: float, most: float) -> None:
    nearest = math.floor(most * 1e4) / 1e4
    raise RunnerError(
        f"pruning.ratio={amount:g} would empty {name.rpartition('.')[0] or name}: no weight of it would be left. "
        f"The nearest that works is pruning.ratio={nearest:g}."
    )
