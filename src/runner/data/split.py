"""Seeded division of sample indices: a share set aside, and k folds; stratified where there are classes."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from torch import Tensor

from runner.data.batches import Rows
from runner.errors import RunnerError


def set_aside(indices: Tensor, count: int, *, seed: int, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Divide `indices` int64 (n,) into (the rest, `count` of them), each in ascending order.

    With `labels` (n,), aligned with `indices`, both parts keep the classes' proportions to within one sample; a
    `count` below the number of classes is raised to it, so that no class is missing from either part.

    Raises:
        RunnerError: nothing would remain, or a class is too small to be in both parts.
    """
    if count == 0:
        return indices.sort().values, indices[:0]
    if labels is not None:
        count = max(count, len(labels.unique()))
    if count >= len(indices):
        raise RunnerError(
            f"A split of {count} samples leaves none of {len(indices)} for training. "
            "Lower data.validation_fraction or data.test_fraction, or bring more data."
        )
    if labels is not None:
        _check_class_sizes(labels, 2, "be in two splits")
        _check_room_for_classes(labels, count)
    rest, part = train_test_split(indices.numpy(), test_size=count, random_state=seed, stratify=_to_numpy(labels))
    return torch.from_numpy(np.sort(rest)), torch.from_numpy(np.sort(part))


def strata(targets: Rows, rows: Tensor, class_names: Sequence[str] | None) -> Tensor | None:
    """Return the classes int64 (n,) of `rows` whose proportions every split keeps; None where one has not one class."""
    return targets[rows] if class_names and isinstance(targets, Tensor) and targets.ndim == 1 else None


def size_of(fraction: float, total: int) -> int:
    """Return a fraction of `total` as a number of samples: rounded, at least 1 for a fraction above 0.

    Raises:
        RunnerError: the fraction is not in [0, 1).
    """
    if not 0 <= fraction < 1:
        raise RunnerError(f"A split fraction must be at least 0 and below 1, not {fraction}.")
    return max(1, math.floor(fraction * total + 0.5)) if fraction else 0


def fold(indices: Tensor, index: int, folds: int, *, seed: int, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Fold `index` (from 0) of `folds`: (training indices, validation indices), each in ascending order.

    The validation parts of all folds are disjoint and cover `indices`.

    Raises:
        RunnerError: fewer than 2 folds, an index out of range, or too few samples (of a class).
    """
    if not 2 <= folds <= len(indices):
        raise RunnerError(
            f"Cross-validation needs from 2 to {len(indices)} folds for {len(indices)} samples, not {folds}."
        )
    if not 0 <= index < folds:
        raise RunnerError(f"Fold {index} does not exist: {folds} folds are numbered 0 to {folds - 1}.")
    if labels is not None:
        _check_class_sizes(labels, folds, f"be in each of {folds} folds")
    splitter = (KFold if labels is None else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    divisions = list(splitter.split(indices.numpy(), _to_numpy(labels)))
    training, validation = divisions[index]
    rows = indices.numpy()
    return torch.from_numpy(np.sort(rows[training])), torch.from_numpy(np.sort(rows[validation]))


def _to_numpy(labels: Tensor | None) -> np.ndarray | None:
    return None if labels is None else labels.numpy()


def _check_class_sizes(labels: Tensor, least: int, purpose: str) -> None:
    values, counts = labels.unique(return_counts=True)
    small = [f"{int(v)} ({int(c)})" for v, c in zip(values, counts, strict=True) if c < least]
    if small:
        raise RunnerError(
            f"A class needs at least {least} samples to {purpose}; too few in class (samples): "
            f"{', '.join(small)}. Add samples, remove the class, or set the fractions to 0."
        )


def _check_room_for_classes(labels: Tensor, count: int) -> None:
    classes = len(labels.unique())
    if len(labels) - count < classes:
        raise RunnerError(
            f"A split of {count} from {len(labels)} samples leaves too few for {classes} classes. "
            "Lower data.validation_fraction or data.test_fraction, or bring more data."
        )
