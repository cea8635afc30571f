"""Data of the page: plain numbers and texts, short enough for a thousand runs."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from runner.report.cells import remarks
from runner.report.differences import label, of_the_machine
from runner.report.page_curves import paces, page_curves
from runner.report.quantities import heading, is_cost, show
from runner.report.report import Report, ReportRow
from runner.report.runs import RunRecord
from runner.report.statistic import Statistic
from runner.tracking.identity import AROUND_RUNS

DIGITS = 6


def page_data(report: Report) -> dict[str, Any]:
    """Return the report as JSON can hold it; metrics have six digits."""
    metrics = list(dict.fromkeys([*report.metrics, *(name for row in report.rows for name in row.metrics)]))
    keys, best, differences = differing(report.rows)
    names, curves, left_out = page_curves(report)
    steps = paces(report)
    return {
        "metric": report.metric,
        "mode": report.mode,
        "ranked_by": report.ranked_by,
        "remarks": remarks(report),
        "columns": [{"key": key, "label": label(key, report.columns)} for key in report.columns],
        "metrics": [{"key": name, "label": heading(name), "cost": is_cost(name)} for name in metrics],
        "shown": report.metrics,
        "keys": keys,
        "best": best,
        "curves": [{"key": name, "cost": is_cost(name)} for name in names],
        "left_out": left_out,
        "rows": [
            {
                "name": row.runs[0].name,
                "paths": [str(run.path) for run in row.runs],
                "settings": [text(row.settings[key]) if key in row.settings else None for key in report.columns],
                "metrics": [statistic(row.metrics.get(name)) for name in metrics],
                "differences": differences[index],
                "started": max((run.started for run in row.runs if run.started is not None), default=None),
                "curves": curves[index],
                "paces": steps[index],
            }
            for index, row in enumerate(report.rows)
        ],
        "others": [[run.name, run.state, run.reason, str(run.path)] for run in report.others],
    }


def statistic(value: Statistic | None) -> Any:
    """Return None, one run's number, or [mean, standard deviation or null, low, high, count]."""
    if value is None:
        return None
    if value.low is None or value.high is None:
        return number(value.mean)
    std = None if value.std is None else number(value.std)
    return [number(value.mean), std, number(value.low), number(value.high), value.count]


def number(value: float) -> float | int | None:
    """Return a number as short as JSON has it; None where it is none."""
    if not isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def text(value: Any) -> float | int | str:
    """Return a setting as the page has it: numbers stay numbers, all else is as it is typed."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return value if plain else show(value)


def full(run: RunRecord) -> dict[str, Any]:
    """Return choices (model: resnet) before the settings that follow from them, without the chosen classes."""
    told = {*run.choices, *(f"{group.replace('/', '.')}._target_" for group in run.choices)}
    return {**run.choices, **{key: value for key, value in run.settings.items() if key not in told}}


def differing(rows: Sequence[ReportRow]) -> tuple[list[str], list[Any], list[list[list[Any]]]]:
    """Return the settings in which a row differs from the best, the best's, and every row's as [index, value].

    What varies between the runs of one row (the seed, and what follows from it) is no difference between rows.
    """
    if not rows:
        return [], [], []
    settings = [full(row.runs[0]) for row in rows]
    best = settings[0]
    varying = {key for row in rows for run in row.runs[1:] for key in unequal(full(row.runs[0]), full(run))}
    own = [[key for key in unequal(best, each) if key not in varying] for each in settings]
    found = {key for each in own for key in each}
    keys = [key for key in dict.fromkeys(key for each in settings for key in each) if key in found]
    index = {key: place for place, key in enumerate(keys)}
    values = [
        [[index[key], text(each[key]) if key in each else None] for key in mine]
        for each, mine in zip(settings, own, strict=True)
    ]
    return keys, [text(best[key]) if key in best else None for key in keys], values


def unequal(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys that only one of two has or whose values differ, other than those of the machine."""
    absent = object()
    keys = [key for key in {**one, **other} if one.get(key, absent) != other.get(key, absent)]
    return [key for key in keys if key not in AROUND_RUNS and not of_the_machine(key)]
