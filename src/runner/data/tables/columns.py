"""Sizes that only a table tells, found without importing torch; configurations reach them by resolvers."""

from collections.abc import Iterable
from pathlib import Path

from runner.data.tables.delimited import read_table


def count_features(path: str | Path, features: Iterable[str] | None, target: str) -> int:
    """Count the feature columns of a table: the named ones, or all but `target` where `features` is None.

    Raises:
        RunnerError: the file or a column is missing.
    """
    return len(read_table(path).features(list(features) if features is not None else None, target))


def count_classes_in_column(path: str | Path, target: str, target_kind: str = "classification") -> int | None:
    """Count the different values of the column `target`; None for regression, where they aren't classes.

    Raises:
        RunnerError: the file or the column is missing.
    """
    labels = read_table(path).column(target)
    return None if target_kind == "regression" else len(class_labels(labels))


def class_labels(values: Iterable[str]) -> list[str]:
    """Return the different values in order: as numbers where all are whole numbers, else alphabetically."""
    labels = {value.strip() for value in values}
    whole = all(label.lstrip("+-").isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label), label)) if whole else sorted(labels)
