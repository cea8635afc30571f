"""Measures of embeddings of classes that training never saw: verification, one-shot and nearest neighbours."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc, binary_eer
from torchmetrics.utilities import dim_zero_cat

from runner.tasks.embedding.losses import pairs

EPISODES = 400
# Share of pairs of two classes that the threshold may accept.
FALSE_ACCEPTED = 0.01

Measure = Callable[[Tensor, Tensor], Tensor]


class OfAll(Metric):
    """What `measure` makes of all distances float (N, N) and labels int64 (N,) of a split."""

    full_state_update = False

    def __init__(self, measure: Measure) -> None:
        super().__init__()
        self.measure = measure
        self.add_state("embeddings", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Keep unit-length embeddings float (N, D) and labels int64 (N,)."""
        states: Any = self
        states.embeddings.append(embeddings)
        states.labels.append(labels)

    def compute(self) -> Tensor:
        """Return the measure, 0-d."""
        states: Any = self
        embeddings, labels = dim_zero_cat(states.embeddings), dim_zero_cat(states.labels)
        return self.measure(torch.cdist(embeddings, embeddings), labels)


def auc(found: Tensor, labels: Tensor) -> Tensor:
    """Return the area under the ROC of all pairs; NaN where all or none are of one class."""
    likeness, same = _pairwise(found, labels)
    return binary_auroc(likeness, same) if 0 < int(same.sum()) < len(same) else torch.tensor(torch.nan)


def eer(found: Tensor, labels: Tensor) -> Tensor:
    """Return the rate at which as many pairs are wrongly accepted as wrongly refused."""
    likeness, same = _pairwise(found, labels)
    return binary_eer(likeness, same) if 0 < int(same.sum()) < len(same) else torch.tensor(torch.nan)


def threshold(found: Tensor, labels: Tensor) -> Tensor:
    """Return the distance below which 1 % of the pairs of two classes lie."""
    others = found[pairs(labels)[1]].sort().values
    return others[int(FALSE_ACCEPTED * len(others))] if len(others) else torch.tensor(torch.nan)


def below(chosen: Callable[[], Tensor]) -> Measure:
    """Return the share of pairs of one class that lie below a distance chosen elsewhere: TAR."""

    def accepted(found: Tensor, labels: Tensor) -> Tensor:
        return (found[pairs(labels)[0]] < chosen().to(found.device)).float().mean()

    return accepted


def spread(found: Tensor, labels: Tensor) -> Tensor:
    """Return the mean distance of two samples, from 0 (collapsed) to 2."""
    return of_each_pair(found).mean()


def recall_at_1(found: Tensor, labels: Tensor) -> Tensor:
    """Return the share of samples whose nearest other one is of their class."""
    others = found + torch.diag(torch.full((len(found),), torch.inf, device=found.device))
    return (labels[others.argmin(1)] == labels).float().mean()


def one_shot(ways: int) -> Measure:
    """Return the share of queries whose nearest of `ways` classes, one example each, is theirs.

    Of all classes where there are fewer; 400 drawings that are always the same.
    """

    def accuracy(found: Tensor, labels: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        members = [(labels == each).nonzero().squeeze(1) for each in labels.unique()]
        members = [each for each in members if len(each) > 1]
        if len(members) < 2:
            return torch.tensor(torch.nan)
        right = []
        for _ in range(EPISODES):
            classes = torch.randperm(len(members), generator=generator)[:ways].tolist()
            drawn = torch.stack(
                [members[each][torch.randperm(len(members[each]), generator=generator)[:2]] for each in classes]
            )
            nearest = found[drawn[:, 1]][:, drawn[:, 0]].argmin(1)
            right.append(nearest == torch.arange(len(classes), device=found.device))
        return torch.cat(right).float().mean()

    return accuracy


def _pairwise(found: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return likeness from 0 to 1 and whether the classes are one, of every pair once."""
    return (1 - of_each_pair(found) / 2).clamp(0, 1), of_each_pair(labels[:, None] == labels).long()


def of_each_pair(square: Tensor) -> Tensor:
    """Return what (N, N) has above its diagonal, (N * (N - 1) / 2,)."""
    rows, columns = torch.triu_indices(len(square), len(square), 1, device=square.device)
    return square[rows, columns]
