"""The learning curves that go into the page: the ones worth seeing, in as many points as fit."""

from collections.abc import Sequence
from math import isfinite
from operator import itemgetter
from typing import Any

from runner.report.report import Report
from runner.report.runs import RunRecord, curves

# About 13 characters a point: curves of 2.6 MB in the largest file.
ALL_POINTS = 200_000
MOST_POINTS = 200
LEAST_POINTS = 16
VALUE_DIGITS = 5
FEWEST = 4

Points = Sequence[tuple[float, float]]
Drawn = dict[str, list[tuple[float, float]]]


def page_curves(report: Report) -> tuple[list[str], list[list[list[Any]]], list[str]]:
    """Return the curves' names, the curves of every row by name and run, and the names that had no room.

    A curve is [step, value, step, value, …]. A name of which no run has two points is no curve; where there are too
    many curves for the file, the least interesting names have no room.
    """
    rows = [[read(run) for run in row.runs] for row in report.rows]
    counts: dict[str, int] = {}
    for each in (run for row in rows for run in row):
        for name in each:
            counts[name] = counts.get(name, 0) + 1
    names = sorted(counts, key=lambda name: (interest(name, report.metric), name))
    kept = fitting(names, counts)
    limit = min(MOST_POINTS, ALL_POINTS // max(1, sum(counts[name] for name in kept)))
    drawn = [[[flat(thin(run.get(name, []), limit)) for run in row] for name in kept] for row in rows]
    return kept, drawn, [name for name in names if name not in kept]


def paces(report: Report) -> list[list[float | None]]:
    """Return the seconds that a training step took, of every run of every row; None where the run doesn't say.

    It is the mean over the whole training, validation included.
    """
    return [[pace(run) for run in row.runs] for row in report.rows]


def pace(run: RunRecord) -> float | None:
    """Return the mean seconds a step of a run's training."""
    last = max((step for points in curves(run).values() for step, _ in points), default=0.0)
    seconds = run.seconds.get("fit")
    return short(seconds / last) if seconds and last > 0 else None


def read(run: Any) -> Drawn:
    """Return the curves of a run with more than one point, thinned for a page."""
    thinned = {name: thin(points, MOST_POINTS) for name, points in curves(run).items()}
    return {name: points for name, points in thinned.items() if len(points) > 1}


def fitting(names: list[str], counts: dict[str, int]) -> list[str]:
    """Return as many names from the front as can have `LEAST_POINTS` a curve; the first one always."""
    kept: list[str] = []
    total = 0
    for name in names:
        total += counts[name]
        if kept and total * LEAST_POINTS > ALL_POINTS:
            break
        kept.append(name)
    return kept


def interest(name: str, metric: str) -> int:
    """Return a smaller number for more interest: the metric itself, the losses, the rest, learning rates."""
    stage, _, what = name.rpartition("/")
    if what == metric.rpartition("/")[2]:
        return 0 if stage == "val" else 1
    if what == "loss":
        return 2 if stage == "val" else 3
    return 5 if name.startswith("lr-") else 4


def flat(points: list[tuple[float, float]]) -> list[float | int]:
    """Return points one number after another, shortened."""
    return [short(part) for point in points for part in point]


def short(value: float) -> float | int:
    """Return a number with as many digits as a picture can show."""
    rounded = float(f"{value:.{VALUE_DIGITS}g}") if value != int(value) else value
    return int(rounded) if rounded == int(rounded) else rounded


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
