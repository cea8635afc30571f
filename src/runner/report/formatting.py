"""Values as text: settings as they are typed, numbers with as many digits as their column needs."""

import json
import math
from collections.abc import Iterable
from typing import Any

# Decimals of a column whose largest value is below 10; a larger one has fewer.
DECIMALS = 4
WHOLE = 1e15


def format_setting(value: Any) -> str:
    """Write a setting as on the command line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str).replace('"', "")


def decimals(values: Iterable[float]) -> int | None:
    """Return the decimals of the numbers of one column; None where each is best written by itself.

    Whole numbers get none, shares and losses four, latencies of tens of milliseconds three.
    """
    known = [abs(value) for value in values]
    if all(value == int(value) and value < WHOLE for value in known) and any(value > 1 for value in known):
        return 0
    largest = max(known, default=0.0)
    if largest >= WHOLE or 0 < largest < 10**-DECIMALS:
        return None
    return max(0, DECIMALS - max(0, math.floor(math.log10(largest)))) if largest else DECIMALS


def format_number(value: float, places: int | None) -> str:
    """Write a number with its column's decimals; one that would vanish among them in two digits of its own."""
    if places is None or (value and abs(value) < 0.5 * 10**-places):
        return f"{value:.2g}" if places is not None else f"{value:.4g}"
    return f"{value:,.{places}f}"
