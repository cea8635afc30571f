"""Seeded division of sample indices: a share set aside, and k folds; stratified where there are classes."""

import math

import numpy as np
import torch
from torch import Tensor

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
    rows = indices.numpy()
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[_drawn(len(rows), count, seed, _to_numpy(labels))] = True
    return torch.from_numpy(np.sort(rows[~chosen])), torch.from_numpy(np.sort(rows[chosen]))


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
    from sklearn.model_selection import KFold, StratifiedKFold  # which takes a second, for few runs

    splitter = (KFold if labels is None else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    divisions = list(splitter.split(indices.numpy(), _to_numpy(labels)))
    training, validation = divisions[index]
    rows = indices.numpy()
    return torch.from_numpy(np.sort(rows[training])), torch.from_numpy(np.sort(rows[validation]))


def _drawn(total: int, count: int, seed: int, labels: np.ndarray | None) -> np.ndarray:
    """Return the `count` of `total` places that scikit-learn's `train_test_split` sets aside.

    By the same draws from the same generator; without importing all of scikit-learn and pandas for it.
    """
    generator = np.random.RandomState(seed)
    if labels is None:
        return generator.permutation(total)[:count]
    _, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    places = np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1])
    rest = _shares(sizes, total - count, generator)
    part = _shares(sizes - rest, count, generator)
    drawn = zip(places, sizes, rest, part, strict=True)
    return np.concatenate([own[generator.permutation(size)][left : left + some] for own, size, left, some in drawn])


def _shares(sizes: np.ndarray, count: int, generator: np.random.RandomState) -> np.ndarray:
    """Return how many of `count` samples come from each class: by its size, what is left over to the largest rests."""
    exact = sizes / sizes.sum() * count
    shares = np.floor(exact)
    rests, lacking = exact - shares, int(count - shares.sum())
    for value in np.unique(rests)[::-1]:
        if lacking <= 0:
            break
        (classes,) = np.where(rests == value)
        some = min(len(classes), lacking)
        shares[generator.choice(classes, size=some, replace=False)] += 1
        lacking -= some
    return shares.astype(int)


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
