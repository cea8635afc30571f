"""python -m runner outputs: the runs on this disk, with what each came to, its size and its age."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from runner.files.text import one_line
from runner.report.going_on.outputs import OutputLine, age_words, output_lines
from runner.report.quantities import size_words
from runner.report.runs import find_runs
from runner.report.terminal import GAP, UNLIMITED
from runner.tracking.console import TextConsole, console, shortest

DESCRIPTION = "Lists runs, the newest first: state, metric, size, age. What is of no use any more: python -m runner gc"
EXAMPLE = "examples:\n  python -m runner outputs\n  python -m runner outputs outputs/sweeps --state failed"


def main(arguments: Sequence[str]) -> int:
    """Print one line a run; raises RunnerError for places without runs."""
    parser = argparse.ArgumentParser(
        "python -m runner outputs",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", nargs="*", type=Path, metavar="DIRECTORY", help="where runs lie; without: outputs")
    parser.add_argument("--state", metavar="STATE", help="only these: done, failed, interrupted, running, died …")
    options = parser.parse_args(arguments)
    found = output_lines(find_runs(options.places or [Path("outputs")]), time.time())
    lines = [line for line in found if options.state in (None, line.run.state)]
    sink = console if console.is_terminal else TextConsole(width=UNLIMITED)
    sink.print(table(lines))
    sink.print(f"{len(lines):,} {'run' if len(lines) == 1 else 'runs'}, {size_words(sum(line.size for line in lines))}")
    return 0


def table(lines: Sequence[OutputLine]) -> Table:
    """Return the list as columns."""
    result = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for head in ("state", "metric"):
        result.add_column(head)
    for head in ("size", "age"):
        result.add_column(head, justify="right")
    result.add_column("run", overflow="fold")
    for line in lines:
        cells = (line.run.state, line.metric, size_words(line.size), age_words(line.age), str(shortest(line.run.path)))
        result.add_row(*map(one_line, cells))
    return result
