"""Hints of leaks: a single column that tells the target without a mistake is seldom a measurement."""

from typing import Any

import numpy as np

# Fewer rows can agree by chance, and more than so many need no look to agree.
FEWEST, MOST = 20, 20_000
# A correlation that rounding alone keeps from 1.
PERFECT = 1 - 1e-9


def leaks(raw: Any, coded: list[bool], names: list[str], targets: Any, classes: bool) -> list[str]:
    """Return a sentence for each column that alone predicts the target perfectly.

    Args:
        raw: the training split's raw columns, float64 (n, C).
        coded: for each whether it holds numbers of categories.
        names: of the column of each.
        targets: float64 (n,), or class numbers (n,) with `classes`.
    """
    if len(targets) < FEWEST:
        return []
    rows = np.linspace(0, len(targets) - 1, min(len(targets), MOST)).astype(np.int64)
    raw, targets = raw[rows], targets[rows]
    found = []
    for index, name in enumerate(names):
        values = raw[:, index]
        known = ~np.isnan(values)
        values, wanted = values[known], targets[known]
        if len(values) < FEWEST or (classes and len(np.unique(wanted)) < 2):
            continue
        tells = separates(values, wanted, coded[index]) if classes else follows(values, wanted, coded[index])
        if tells and name not in found:
            found.append(name)
    return [
        f"Column '{name}' alone predicts the target of every training row. If it is only known once the target is, "
        "results on this table promise too much: leave it out of data.features."
        for name in found
    ]


def separates(values: Any, classes: Any, coded: bool) -> bool:
    """Return whether as many intervals as there are classes hold one class each; for categories, whether each does."""
    order = np.lexsort((classes, values))
    values, classes = values[order], classes[order]
    new_value, new_class = values[1:] != values[:-1], classes[1:] != classes[:-1]
    if bool((new_class & ~new_value).any()):  # one value, two classes
        return False
    if coded:
        return int(new_value.sum()) + 1 <= len(values) // 4
    return int(new_class.sum()) + 1 == len(np.unique(classes))


def follows(values: Any, targets: Any, coded: bool) -> bool:
    """Return whether the target is a straight line over the values."""
    if coded or values.std() == 0 or targets.std() == 0:
        return False
    return abs(float(np.corrcoef(values - values[0], targets)[0, 1])) > PERFECT
