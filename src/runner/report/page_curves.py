"""The learning curves that go into the page: the ones worth seeing, in as many points as fit."""

from typing import Any

from runner.report.report import Report
from runner.report.runs import curves
from runner.report.thinning import thin

# About 13 characters a point: curves of 2.6 MB in the largest file.
ALL_POINTS = 200_000
MOST_POINTS = 200
LEAST_POINTS = 16
VALUE_DIGITS = 5

Drawn = dict[str, list[tuple[float, float]]]


def page_curves(report: Report) -> tuple[list[str], list[list[list[Any]]], list[str]]:
    """Return the curves' names, the curves of every row by name and run, and the names that had no room.

    A curve is [step, value, step, value, …]. A name of which no run has two points is no curve; where there are too
    many curves for the file, the least interesting names have no room.
    """
    rows = [[load_curves(run) for run in row.runs] for row in report.rows]
    counts: dict[str, int] = {}
    for each in (run for row in rows for run in row):
        for name in each:
            counts[name] = counts.get(name, 0) + 1
    names = sorted(counts, key=lambda name: (priority(name, report.metric), name))
    kept = names_that_fit(names, counts)
    limit = min(MOST_POINTS, ALL_POINTS // max(1, sum(counts[name] for name in kept)))
    drawn = [[[flat(thin(run.get(name, []), limit)) for run in row] for name in kept] for row in rows]
    return kept, drawn, [name for name in names if name not in kept]


def load_curves(run: Any) -> Drawn:
    """Return a run's curves that have more than one point, thinned to `MOST_POINTS`."""
    thinned = {name: thin(points, MOST_POINTS) for name, points in curves(run).items()}
    return {name: points for name, points in thinned.items() if len(points) > 1}


def names_that_fit(names: list[str], counts: dict[str, int]) -> list[str]:
    """Return as many names from the front as can have `LEAST_POINTS` a curve; the first one always."""
    kept: list[str] = []
    total = 0
    for name in names:
        total += counts[name]
        if kept and total * LEAST_POINTS > ALL_POINTS:
            break
        kept.append(name)
    return kept


def priority(name: str, metric: str) -> int:
    """Return a smaller number for more interest: the metric itself, the losses, the rest, learning rates."""
    stage, _, what = name.rpartition("/")
    if what == metric.rpartition("/")[2]:
        return 0 if stage == "val" else 1
    if what == "loss":
        return 2 if stage == "val" else 3
    return 5 if name.startswith("lr-") else 4


def flat(points: list[tuple[float, float]]) -> list[float | int]:
    """Return step, value, step, value, … in one list."""
    return [short(part) for point in points for part in point]


def short(value: float) -> float | int:
    """Return a value rounded to `VALUE_DIGITS` digits; a whole number as int."""
    rounded = float(f"{value:.{VALUE_DIGITS}g}") if value != int(value) else value
    return int(rounded) if rounded == int(rounded) else rounded
