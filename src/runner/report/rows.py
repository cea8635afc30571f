"""Rows of a report: runs in groups that differ in their seed only, with statistics, best first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.report.differences import SEED, comparable
from runner.report.quantities import quantities
from runner.report.ranking.selection import has_interval, tie_breakers
from runner.report.ranking.wilson import wilson
from runner.report.run_record import MISSING, value_of
from runner.report.runs import RunRecord, in_order
from runner.report.statistic import Statistic, statistic
from runner.tracking.result import TESTED


@dataclass(frozen=True)
class ReportRow:
    """One line of the table.

    Attributes:
        runs: a single run, or runs that differ in the seed only.
        settings: values of the report's columns; a setting that the runs do not have is not in it.
        metrics: of everything that the runs measured, not only of what the table shows.
    """

    runs: tuple[RunRecord, ...]
    settings: dict[str, Any]
    metrics: dict[str, Statistic]


def group_seeds(
    runs: Iterable[RunRecord], columns: Sequence[str]
) -> tuple[list[tuple[RunRecord, ...]], list[RunRecord]]:
    """Return the runs in groups that agree in all columns, by seed; and the older ones among those of the same seed."""
    groups: dict[tuple[Any, ...], dict[Any, RunRecord]] = {}
    repeats = []
    for run in sorted(runs, key=lambda run: run.started or 0.0):
        key = tuple(comparable(value_of(run, column)) for column in columns)
        seeds = groups.setdefault(key, {})
        seed = comparable(value_of(run, SEED))
        if seed in seeds:
            repeats.append(seeds.pop(seed))
        seeds[seed] = run
    return [tuple(sorted(seeds.values(), key=by_seed)) for seeds in groups.values()], repeats


def by_seed(run: RunRecord) -> tuple[float, str]:
    """Sort runs by seed."""
    seed = value_of(run, SEED)
    return (seed if isinstance(seed, (int, float)) else 0.0), str(run.path)


def make_row(runs: tuple[RunRecord, ...], columns: Sequence[str]) -> ReportRow:
    """Return one row; where its runs differ in a column (`seed`), it holds no value there."""
    settings = {}
    for column in columns:
        values = {comparable(value_of(run, column)) for run in runs}
        if len(values) == 1 and (value := value_of(runs[0], column)) is not MISSING:
            settings[column] = value
    measured: dict[str, list[float]] = {}
    for run in runs:
        for name, each in quantities(run).items():
            measured.setdefault(name, []).append(each)
    return ReportRow(runs, settings, {name: judged(name, values, runs) for name, values in measured.items()})


def judged(name: str, values: Sequence[float], runs: Sequence[RunRecord]) -> Statistic:
    """Return the statistic of a metric; of a single run, an accuracy on test data has Wilson's interval."""
    found = statistic(values)
    count = runs[0].metrics.get(TESTED, 0)
    if found.count > 1 or len(runs) > 1 or count < 1 or not has_interval(name) or not 0 <= found.mean <= 1:
        return found
    low, high = wilson(found.mean, count)
    return replace(found, low=low, high=high)


def ranked(rows: Iterable[ReportRow], metric: str, mode: str) -> list[ReportRow]:
    """Return the rows by the metric, best first; ties by loss and costs, rows without it last, among them by these."""
    rows = list(rows)
    others = tie_breakers(metric, sorted({name for row in rows for name in row.metrics}))
    signs = {metric: -1 if mode == "max" else 1, **dict.fromkeys(others, 1)}

    def rank(row: ReportRow) -> tuple[Any, ...]:
        values = [(row.metrics.get(name), sign) for name, sign in signs.items()]
        ties = ((each is None, sign * each.mean if each else 0.0) for each, sign in values)
        return *ties, [in_order(part) for part in row.runs[0].path.parts]

    return sorted(rows, key=rank)


def best_of_each(rows: Iterable[ReportRow], column: str) -> list[ReportRow]:
    """Return the first row of each value of a setting."""
    first: dict[Any, ReportRow] = {}
    for row in rows:
        first.setdefault(comparable(value_of(row.runs[0], column)), row)
    return list(first.values())
