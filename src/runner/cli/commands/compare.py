"""python -m runner compare: two runs side by side."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner.errors import RunnerError
from runner.files.text import one_line
from runner.report.comparison import ComparisonLine, compare, verdict
from runner.report.runs import RunRecord, find_runs
from runner.report.terminal import GAP, UNLIMITED
from runner.tracking.console import TextConsole, console, shortest

DESCRIPTION = (
    "Shows in what two runs differ: configuration, metrics with their differences, and environment; "
    "and which is better on validation data."
)
EXAMPLE = """example:
  python -m runner compare outputs/runs/2026-01-31/12-00-00-cnn-digits outputs/runs/2026-01-31/12-05-00-mlp-digits"""


def main(arguments: Sequence[str]) -> int:
    """Print three tables; raises RunnerError where a place is not exactly one run."""
    parser = argparse.ArgumentParser(
        "python -m runner compare",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("one", type=Path, metavar="A", help="a run directory")
    parser.add_argument("other", type=Path, metavar="B", help="another one")
    parser.add_argument("--all", "-a", action="store_true", help="also what is equal")
    options = parser.parse_args(arguments)
    runs = [the_run(options.one), the_run(options.other)]
    sink = console if console.is_terminal else TextConsole(width=UNLIMITED)
    for letter, run in zip("AB", runs, strict=True):
        state = "" if not run.reason else f"   {run.state}: {run.reason}"
        sink.print(Text(one_line(f"{letter}  {shortest(run.path)}{state}")), soft_wrap=True)
    for section, found in compare(*runs).items():
        show(section, found if options.all else [line for line in found if not line.equal], len(found), sink)
    if words := verdict(*runs):
        sink.print()
        sink.print(Text(one_line(words)), soft_wrap=True)
    return 0


def the_run(place: Path) -> RunRecord:
    """Return the run of a directory.

    Raises:
        RunnerError: there is none, or there are several.
    """
    runs = find_runs([place])
    if len(runs) > 1:
        names = ", ".join(str(run.path.relative_to(place.resolve())) for run in runs[:4])
        raise RunnerError(
            f"{place}: holds {len(runs)} runs ({names}, …); name one. "
            f"Many are compared by: python -m runner report {place}"
        )
    return runs[0]


def show(section: str, shown: Sequence[ComparisonLine], count: int, sink: Console) -> None:
    """One section: its lines, and how many more are equal."""
    equal = count - len(shown)
    sink.print()
    if shown:
        numbers = section == "metrics"
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
        table.add_column(section, overflow="fold")
        for name in ("A", "B", "B - A") if numbers else ("A", "B"):
            table.add_column(name, justify="right" if numbers else "left", overflow="fold")
        for line in shown:
            table.add_row(
                *(Text(one_line(each)) for each in (line.name, *line.values)), *([line.difference] if numbers else [])
            )
        sink.print(table)
    if equal:
        sink.print(Text(f"{section}: {equal} {'more ' if shown else ''}equal", "dim"))
    elif not shown:
        sink.print(Text(f"{section}: nothing is recorded", "dim"))
