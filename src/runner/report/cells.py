"""A report as columns of text, for terminals and Markdown: settings, seeds, metrics, run directories."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.report.differences import label
from runner.report.quantities import heading, number, places, show
from runner.report.report import Report, ReportRow
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
    """Return all columns from the left: settings, seeds, the sorting metric with its interval, metrics, paths."""
    settings = [setting_column(key, report) for key in report.columns]
    grouped = any(len(row.runs) > 1 for row in report.rows)
    seeds = Column("seeds", "seeds", tuple(str(len(row.runs)) for row in report.rows), True)
    metrics = [metric_column(name, report.rows) for name in report.metrics]
    if grouped and metrics:
        metrics.insert(1, interval_column(report.metric, report.rows))
    paths = Column("run", "run", directories(report), False)
    return [*settings, *([seeds] if grouped else []), *metrics, paths]


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


def interval_column(name: str, rows: Sequence[ReportRow]) -> Column:
    """Return the 95 % interval of the mean; blank for a single run."""
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
    """Return the title of the table, in one line."""
    count = sum(len(row.runs) for row in report.rows)
    runs = f"{count} run{'s' * (count != 1)}"
    order = (
        f", by {report.metric}, the {'highest' if report.mode == 'max' else 'lowest'} first" if report.metric else ""
    )
    return f"{runs}{order}"


def remarks(report: Report) -> list[str]:
    """Return the remarks that a reader needs to read the table."""
    found = []
    if any(len(row.runs) > 1 for row in report.rows):
        found.append("± is the standard deviation over seeds; the interval is that of the mean, by Student's t.")
    if early := [run for row in report.rows for run in row.runs if run.stopped]:
        root = above(report)
        names = ", ".join(str(run.path.relative_to(root)) for run in early[:NAMED])
        more = f" and {len(early) - NAMED} more" if len(early) > NAMED else ""
        found.append(f"Stopped early on request: {names}{more}.")
    if count := len(report.repeats):
        repeat = "runs repeat" if count > 1 else "run repeats"
        found.append(
            f"{count} older {repeat} a newer one with the same configuration and seed; only the newest counts "
            "(--no-group shows all)."
        )
    return found
