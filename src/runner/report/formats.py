"""The report for other programs: CSV, Markdown, JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from runner.files import csv_text, json_text
from runner.files.text import markdown, markdown_code
from runner.report.cells import NOTHING, remarks, text_columns, title
from runner.report.differences import SEED
from runner.report.quantities import show
from runner.report.report import Report, ReportRow
from runner.report.run_record import MISSING, value_of
from runner.report.runs import RunRecord


def as_csv(report: Report) -> str:
    """Return one line a row: settings by their full keys, every figure in full precision, the run directories."""
    return csv_text([flat(row, report) for row in report.rows])


def flat(row: ReportRow, report: Report) -> dict[str, Any]:
    """Return one row of the CSV file; what a row does not have is blank."""
    cells: dict[str, Any] = {key: show(row.settings[key]) if key in row.settings else "" for key in report.columns}
    cells |= {key: value for key, value in row.settings.items() if isinstance(value, float)}
    cells |= {"runs": len(row.runs), "ranked_by": f"{report.metric}:{report.mode}"}
    for name in report.metrics:
        value = row.metrics.get(name)
        cells[name] = "" if value is None else value.mean
        for part in parts(name, report):
            cells[f"{name}/{part}"] = "" if value is None else getattr(value, part)
    cells["run"] = " ".join(str(run.path) for run in row.runs)
    return cells


def parts(name: str, report: Report) -> list[str]:
    """Return what else than the mean some row has of a metric: deviation and interval over seeds, or Wilson's."""
    if any(len(row.runs) > 1 for row in report.rows):
        return ["std", "low", "high"]
    found = [row.metrics[name] for row in report.rows if name in row.metrics]
    return ["low", "high"] if any(each.low is not None for each in found) else []


def as_markdown(report: Report) -> str:
    """Return a pipe table, the remarks, and a list of the runs that are not done."""
    lines = [f"{markdown(title(report))}.", ""] if report.rows else []
    lines += [] if report.rows or report.others else [NOTHING]
    columns = text_columns(report) if report.rows else []
    if columns:
        lines.append(pipes([each.head for each in columns]))
        lines.append(f"| {' | '.join('---:' if each.numeric else '---' for each in columns)} |")
        lines += [pipes(cells) for cells in zip(*(each.cells for each in columns), strict=True)]
    for remark in remarks(report):
        lines += ["", markdown(remark)]
    if report.others:
        lines += ["", "Not done:", ""]
        lines += [f"- {markdown_code(str(run.path))}: {run.state}; {markdown(run.reason)}" for run in report.others]
    return "\n".join(lines) + "\n"


def pipes(cells: Sequence[str]) -> str:
    """Return one line of a pipe table."""
    return "| " + " | ".join(map(markdown, cells)) + " |"


def as_json(report: Report) -> str:
    """Return the whole report: all metrics of every row with their statistics, all runs with their states."""
    content = {
        "metric": report.metric,
        "mode": report.mode,
        "ranked_by": report.ranked_by,
        "columns": report.columns,
        "metrics": report.metrics,
        "rows": [
            {
                "settings": row.settings,
                "runs": [described(run) for run in row.runs],
                "metrics": {name: asdict(value) for name, value in row.metrics.items()},
            }
            for row in report.rows
        ],
        "others": [{**described(run), "state": run.state, "reason": run.reason} for run in report.others],
        "repeats": [described(run) for run in report.repeats],
    }
    return json_text(content, default=str)


def described(run: RunRecord) -> dict[str, Any]:
    """Return the identification of a run."""
    seed = value_of(run, SEED)
    return {
        "path": str(run.path),
        "name": run.name,
        "identity": run.identity,
        "seed": None if seed is MISSING else seed,
        "warnings": list(run.warnings),
    }
