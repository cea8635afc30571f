"""A report as columns of text, for terminals and Markdown: settings, seeds, metrics, run directories."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.files.text import one_line
from runner.report.differences import label
from runner.report.quantities import heading, number, places, show
from runner.report.ranking.selection import is_test
from runner.report.report import Report, ReportRow
from runner.report.runs import RunRecord
from runner.report.statistic import Statistic

LONGEST = 40
# Of runs that share a remark, so many are named.
NAMED = 8
NOTHING = "No run satisfies the conditions."


@dataclass(frozen=True)
class Column:
    """One column; `key` says what it shows, `numeric` that it stands to the right."""

    key: str
    head: str
    cells: tuple[str, ...]
    numeric: bool


def text_columns(report: Report) -> list[Column]:
    """Return all columns from the left: settings, seeds, metrics, the test's with its interval, paths."""
    settings = [setting_column(key, report) for key in report.columns]
    grouped = any(len(row.runs) > 1 for row in report.rows)
    seeds = Column("seeds", "seeds", tuple(str(len(row.runs)) for row in report.rows), True)
    metrics = [metric_column(name, report.rows) for name in report.metrics]
    if (tested := with_interval(report)) is not None:
        metrics.insert(report.metrics.index(tested) + 1, interval_column(tested, report.rows))
    paths = Column("run", "run", directories(report), False)
    columns = [*settings, *([seeds] if grouped else []), *metrics, paths]
    return [replace(each, head=one_line(each.head), cells=tuple(map(one_line, each.cells))) for each in columns]


def setting_column(key: str, report: Report) -> Column:
    """Return the cells of a setting as it is typed; blank where a row has none."""
    known = [row.settings[key] for row in report.rows if key in row.settings]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
    cells = tuple(cut(show(row.settings[key])) if key in row.settings else "" for row in report.rows)
    return Column(key, label(key, report.columns), cells, numeric)


def cut(text: str) -> str:
    """Shorten a long list or path by its middle."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def metric_column(name: str, rows: Sequence[ReportRow]) -> Column:
    """Return `0.9912 ± 0.0021` (mean and standard deviation), the number for one run, blank where there is none."""
    found = [row.metrics.get(name) for row in rows]
    digits = places(name, (each.mean for each in found if each is not None))
    return Column(name, heading(name), tuple(measured(each, digits) for each in found), True)


def measured(value: Statistic | None, digits: int | None) -> str:
    """Return one cell of a metric; sizes and counts that are the same for all seeds need no deviation."""
    if value is None:
        return ""
    mean = number(value.mean, digits)
    return mean if value.std is None or (value.std == digits == 0) else f"{mean} ± {number(value.std, digits)}"


def with_interval(report: Report) -> str | None:
    """Return the metric that is shown with its interval: the test's, or the ranking one; None where it has none."""
    wanted = [*(name for name in report.metrics if is_test(name)), *report.metrics[:1]]
    found = [row.metrics[wanted[0]] for row in report.rows if wanted and wanted[0] in row.metrics]
    return wanted[0] if any(each.low is not None for each in found) else None


def interval_column(name: str, rows: Sequence[ReportRow]) -> Column:
    """Return the 95 % interval; blank where there is none."""
    found = [row.metrics.get(name) for row in rows]
    digits = places(name, (each.mean for each in found if each is not None))
    return Column(f"{name}/interval", "95 % interval", tuple(interval(each, digits) for each in found), True)


def interval(value: Statistic | None, digits: int | None) -> str:
    """Return `[0.9860, 0.9964]`."""
    if value is None or value.low is None or value.high is None:
        return ""
    return f"[{number(value.low, digits)}, {number(value.high, digits)}]"


def above(report: Report) -> Path:
    """Return the directory that all runs of the report lie below."""
    paths = [run.path.parent for row in report.rows for run in row.runs] + [run.path.parent for run in report.others]
    return Path(os.path.commonpath(paths)) if paths else Path.cwd()


def directories(report: Report) -> tuple[str, ...]:
    """Return the run directories of each row, by what tells them apart."""
    root = above(report)
    names = [", ".join(str(run.path.relative_to(root)) for run in row.runs) for row in report.rows]
    return tuple(name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names)


def title(report: Report) -> str:
    """Return the title of the table, in one line: how many runs, and by what they are ranked."""
    count = sum(len(row.runs) for row in report.rows)
    runs = f"{count} run{'s' * (count != 1)}"
    return f"{runs}, ranked by {report.ranked_by}" if report.ranked_by else runs


def noticed(report: Report) -> list[str]:
    """Return what the runs noticed, each sentence once, with the runs that it is of."""
    runs = [*(run for row in report.rows for run in row.runs), *report.others]
    root = above(report)
    places: dict[str, list[str]] = {}
    for run in runs:
        for text in dict.fromkeys(run.warnings):
            place = run.path.relative_to(root) if run.path.is_relative_to(root) else run.path
            places.setdefault(text, []).append(str(place))
    told = []
    for text, names in places.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        told.append(f"Noticed in {', '.join(names[:NAMED])}{more}: {text}" if len(runs) > 1 else f"Noticed: {text}")
    most = 3 * NAMED
    return (
        told if len(told) <= most else [*told[:most], f"{len(told) - most} more notices: --format json has them all."]
    )


def remarks(report: Report) -> list[str]:
    """Return the remarks that a reader needs to read the table."""
    return [*about_intervals(report), *about_missing(report), *noticed(report), *about_runs(report)]


def about_intervals(report: Report) -> list[str]:
    """Return what ± and the interval are."""
    found = []
    grouped = any(len(row.runs) > 1 for row in report.rows)
    if grouped:
        found.append("± is the standard deviation over seeds; the interval is that of the mean, by Student's t.")
    name = with_interval(report)
    single = [row.metrics[name] for row in report.rows if name in row.metrics] if name else []
    if any(each.std is None and each.low is not None for each in single):
        whose = "That of a single run" if grouped else "The interval"
        found.append(f"{whose} is Wilson's for a share, from the number of its test samples.")
    return found


def about_missing(report: Report) -> list[str]:
    """Return which rows are ranked last, as they lack the metric, or are ranked by some of their seeds only."""
    found = []
    lacking = [row for row in report.rows if report.metric not in row.metrics]
    if report.metric and lacking:
        found.append(f"Ranked last, as they have no {report.metric}: {named(report, lacking)}.")
    partly = [row for row in report.rows if 0 < getattr(row.metrics.get(report.metric), "count", 0) < len(row.runs)]
    if partly:
        found.append(f"Ranked by those of their runs that have {report.metric}: {named(report, partly)}.")
    return found


def about_runs(report: Report) -> list[str]:
    """Return which runs were stopped early, which are yet to be tested, and which are not counted."""
    found = []
    if early := [row for row in report.rows if any(run.stopped for run in row.runs)]:
        found.append(f"Stopped early on request: {named(report, early, only=lambda run: bool(run.stopped))}.")
    if held := [run for row in report.rows for run in row.runs if run.held]:
        runs = "1 run is" if len(held) == 1 else f"{len(held)} runs are"
        found.append(f"{runs} not tested, as the sweep asked; to do it: python -m runner resume DIRECTORY.")
    if count := len(report.repeats):
        repeat = "runs repeat" if count > 1 else "run repeats"
        found.append(
            f"{count} older {repeat} a newer one with the same configuration and seed; only the newest counts "
            "(--no-group shows all)."
        )
    return found


def named(report: Report, rows: Sequence[ReportRow], only: Callable[[RunRecord], bool] = lambda run: True) -> str:
    """Return the directories of the first runs of these rows, and how many more there are."""
    root = above(report)
    runs = [run for row in rows for run in row.runs if only(run)]
    names = ", ".join(str(run.path.relative_to(root)) for run in runs[:NAMED])
    return names + (f" and {len(runs) - NAMED} more" if len(runs) > NAMED else "")
