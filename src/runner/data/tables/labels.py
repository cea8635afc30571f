"""Labels of classes and categories in an order that people expect, without importing anything heavy."""

import math
from collections.abc import Iterable


def in_order(labels: Iterable[str]) -> list[str]:
    """Return different labels in order: as numbers where all are numbers, else alphabetically."""
    found = sorted(set(labels))
    values = {label: number(label) for label in found}
    if any(value is None for value in values.values()):
        return found
    return sorted(found, key=lambda label: (values[label] or 0, label))


def number(label: str) -> int | float | None:
    """Return the number that a label is, whole ones of any size exactly; None for what is none."""
    if label.lstrip("+-").isdecimal() and label.lstrip("+-").isascii():
        return int(label)
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in label else None
