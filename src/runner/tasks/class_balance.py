"""Classes of unequal size: weights that make up for it in training, and metrics in which each class counts alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from runner.data.module import DataModule
from runner.errors import RunnerError, did_you_mean

Weights = str | Sequence[float] | Mapping[Any, float] | None
BALANCED = "balanced"
# Classes count as unequal from so many times the smallest on.
UNEQUAL = 1.5
# A recall for each of more classes than this is a figure, not a list.
LISTED = 20


class ClassRecall(Metric):
    """Recall of one class, or with no `index` the mean over the classes that occur: balanced accuracy.

    Takes logits (N, num_classes) or probabilities (N,) of class 1, and classes int64 (N,); NaN for a class that does
    not occur.
    """

    full_state_update = False
    hits: Tensor
    totals: Tensor

    def __init__(self, num_classes: int, index: int | None = None) -> None:
        super().__init__()
        self.num_classes, self.index = num_classes, index
        self.add_state("hits", torch.zeros(num_classes), dist_reduce_fx="sum")
        self.add_state("totals", torch.zeros(num_classes), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Count right answers and samples of each class."""
        predicted = outputs.argmax(1) if outputs.ndim > 1 else (outputs > 0.5).long()
        self.totals += torch.bincount(targets, minlength=self.num_classes)
        self.hits += torch.bincount(targets[predicted == targets], minlength=self.num_classes)

    def compute(self) -> Tensor:
        """Return the recall, 0-d."""
        recalls = self.hits / self.totals
        return recalls.nanmean() if self.index is None else recalls[self.index]


def class_metrics(num_classes: int, names: Sequence[str] | None) -> dict[str, Metric]:
    """Return `balanced_accuracy`, and `recall/NAME` of every class where they are few."""
    metrics: dict[str, Metric] = {"balanced_accuracy": ClassRecall(num_classes)}
    if num_classes <= LISTED:
        labels = names or [str(index) for index in range(num_classes)]
        metrics |= {f"recall/{label}": ClassRecall(num_classes, index) for index, label in enumerate(labels)}
    return metrics


def class_counts(datamodule: DataModule, num_classes: int) -> Tensor | None:
    """Return how many training samples (of sequences: tokens) each class has, int64 (num_classes,).

    None where no data was read. What has no class, as the ends of sequences do, counts for nothing.
    """
    if "train" not in datamodule.splits:
        return None
    training = datamodule.splits["train"]
    targets: Any = training.row_targets[training.indices]
    classes = targets.flatten().long()
    return torch.bincount(classes[classes >= 0], minlength=num_classes)


def are_unequal(counts: Tensor) -> bool:
    """Return whether the largest class is much larger than the smallest that there is."""
    there = counts[counts > 0]
    return len(there) > 1 and int(there.max()) >= UNEQUAL * int(there.min())


def check_weights(given: Weights, num_classes: int) -> None:
    """Raise RunnerError for weights that suit no data of so many classes."""
    if isinstance(given, str) and given != BALANCED:
        raise RunnerError(
            f"task.class_weights={given}: must be {BALANCED}, a list of {num_classes} numbers, or {{NAME: number}}."
        )
    if given is None or isinstance(given, str):
        return
    values = list(given.values()) if isinstance(given, Mapping) else list(given)
    if not isinstance(given, Mapping) and len(values) != num_classes:
        raise RunnerError(
            f"task.class_weights has {len(values)} numbers, but there are {num_classes} classes. Give one for each."
        )
    if any(isinstance(each, (str, bool)) or not 0 <= float(each) < float("inf") for each in values) or not any(values):
        raise RunnerError(f"task.class_weights={list(values)}: must be numbers of at least 0, and not all 0.")


def weights_of(given: Weights, counts: Tensor | None, names: Sequence[str] | None, num_classes: int) -> Tensor | None:
    """Return the weight of every class, float32 (num_classes,); None where all count alike.

    `balanced` is n / (num_classes * count), so that every class has the same weight in total and a training sample the
    weight 1 on average. In a mapping of names, classes that it doesn't name have the weight 1.

    Raises:
        RunnerError: a name is no class's.
    """
    if given is None or (given == BALANCED and counts is None):
        return None
    if given == BALANCED:
        assert counts is not None
        weights = counts.sum() / (num_classes * counts.clamp(min=1).to(torch.float64))
        return torch.where(counts > 0, weights, 1.0).to(torch.float32)
    if isinstance(given, Mapping):
        labels = [str(name) for name in names or range(num_classes)]
        found = {str(name): float(value) for name, value in given.items()}
        if wrong := [name for name in found if name not in labels]:
            raise RunnerError(
                f"task.class_weights: there is no class '{wrong[0]}'.{did_you_mean(wrong[0], labels)} "
                f"Classes: {', '.join(labels[:LISTED])}{' …' if len(labels) > LISTED else ''}."
            )
        return torch.tensor([found.get(label, 1.0) for label in labels])
    return torch.tensor([float(each) for each in given])
