"""python -m runner report: what came of many runs, in one table."""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.cli.columns import say
from runner.errors import RunnerError
from runner.files import write_text
from runner.files.text import visible
from runner.report import terminal
from runner.report.formats import as_csv, as_json, as_markdown
from runner.report.report import Report, build_report
from runner.report.runs import find_runs, runs_below
from runner.tracking.console import TextConsole, console, shortest

DESCRIPTION = (
    "Reports finished runs: the settings that differ and the metrics, best first, runs with other seeds in one row. "
    "Runs that are not done are listed with the reason. Reads small text files only."
)
EXAMPLE = """example:
  python -m runner report outputs/sweeps/2026-01-31/12-00-00-cnn-digits
  python -m runner report outputs --where model=cnn --where 'test/accuracy>0.9' --best-per optimizer
  python -m runner report outputs --format html"""
FORMATS = {".txt": "table", ".csv": "csv", ".md": "markdown", ".json": "json", ".html": "html"}
OUTPUTS = Path("outputs")
PAGE = "report.html"


def main(arguments: Sequence[str]) -> int:
    """Print or writes the report; raises RunnerError for places without runs and names that no run has."""
    options = parser().parse_args(arguments)
    style = options.format or FORMATS.get(options.output.suffix if options.output else "", "table")
    if options.output is not None:
        refuse_unless_writable(options.output)
    places = options.places or [newest()]
    report = build_report(
        find_runs(places),
        metric=options.metric,
        columns=[name.strip() for name in options.columns.split(",")] if options.columns else None,
        where=options.where,
        best_per=options.best_per,
        group=options.group,
    )
    output = options.output or (places[0] / PAGE if style == "html" else None)
    if output is None and style == "table":
        terminal.show(report, console if console.is_terminal else TextConsole(width=terminal.UNLIMITED))
    elif output is None:
        print(visible(text(report, style)), end="")
    else:
        write(output, text(report, style))
        say(f"{len(report.rows)} rows, {len(report.others)} runs not done: {shortest(output.resolve())}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options of this command."""
    result = argparse.ArgumentParser(
        "python -m runner report",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("places", nargs="*", type=Path, metavar="PLACE", help="run and sweep directories; without: the newest sweep")
    add("--format", "-f", choices=FORMATS.values(), help="by default what the name of --output ends in, or a table")
    add("--output", "-o", type=Path, metavar="FILE", help=f"a file to write; html goes to PLACE/{PAGE} by default")
    add(
        "--metric",
        metavar="NAME",
        help="what to rank by, or NAME:min, NAME:max; by default a validation metric",
    )
    add("--columns", metavar="A,B", help="settings and metrics to show, such as model,optimizer.lr,test/loss")
    add("--where", action="append", default=[], metavar="CONDITION", help="such as model=cnn or 'test/accuracy>0.9'")
    add("--best-per", metavar="NAME", help="only the best row of each value of this setting")
    add("--no-group", dest="group", action="store_false", help="a row for every run, also where only the seed differs")
    return result


def newest() -> Path:
    """Return the newest sweep that has a run, or everything that was ever run from here."""
    sweeps: Iterator[Path] = (path for path in sorted(OUTPUTS.glob("sweeps/*/*"), reverse=True) if path.is_dir())
    place = next((path for path in sweeps if any(runs_below(path))), OUTPUTS)
    if not place.is_dir():
        raise RunnerError(f"There is no directory {OUTPUTS} here: name run or sweep directories to report.")
    return place


def text(report: Report, style: str) -> str:
    """Return the report as the content of a file."""
    if style == "html":
        from runner.report.html import page

        return page(report)
    if style == "table":
        sink = io.StringIO()
        terminal.show(report, TextConsole(file=sink, width=terminal.UNLIMITED))
        return sink.getvalue()
    return {"csv": as_csv, "json": as_json, "markdown": as_markdown}[style](report)


def refuse_unless_writable(path: Path) -> None:
    """Raise RunnerError before any work where the file has no directory, or is one."""
    if path.is_dir():
        raise RunnerError(f"--output {path}: is a directory; name a file.")
    if not path.parent.is_dir():
        raise RunnerError(f"--output {path}: there is no directory {path.parent}.")


def write(path: Path, content: str) -> None:
    """Replace the file in one step."""
    try:
        write_text(path, content)
    except OSError as error:
        raise RunnerError(f"{path}: cannot be written ({error.strerror}). Choose another file with --output.") from None
