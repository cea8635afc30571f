"""Curves with fewer points that still show every peak."""

from collections.abc import Sequence
from math import isfinite
from operator import itemgetter

Points = Sequence[tuple[float, float]]

FEWEST = 4


def thin(points: Points, limit: int) -> list[tuple[float, float]]:
    """Return at most `limit` (at least 4) of the (step, value) pairs, in their order, without those that are no number.

    The first and the last stay, and of every stretch between them the lowest and the highest: a loss that leapt for
    one step is still seen to leap.
    """
    finite = [point for point in points if isfinite(point[1])]
    limit = max(limit, FEWEST)
    if len(finite) <= limit:
        return finite
    inner, stretches = finite[1:-1], (limit - 2) // 2
    kept = [finite[0]]
    for stretch in range(stretches):
        part = inner[stretch * len(inner) // stretches : (stretch + 1) * len(inner) // stretches]
        kept += sorted({min(part, key=itemgetter(1)), max(part, key=itemgetter(1))})
    return [*kept, finite[-1]]
