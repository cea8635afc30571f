"""The report as a table on a terminal: as many columns as fit, and in words which do not."""

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner.files.text import one_line
from runner.report.cells import NOTHING, Column, above, remarks, text_columns, title
from runner.report.report import Report
from runner.report.run_record import RESUMABLE
from runner.tracking.console import shortest

GAP = 2
# So many columns that do not fit are named.
NAMED = 8
# The width of a console that is no terminal: nothing is left out or wrapped.
UNLIMITED = 100_000


def show(report: Report, console: Console) -> None:
    """Print the table, remarks, and the runs that are not done."""

    def line(text: str = "", style: str = "") -> None:
        console.print(Text(one_line(text), style), soft_wrap=True)

    if report.rows:
        line(f"{title(report)}; in {shortest(above(report))}")
        columns, left_out = fitting(text_columns(report), report, console.width)
        console.print(table(columns))
        if left_out:
            line(f"Not shown, as the terminal is too narrow: {enumerated(left_out)}.", "dim")
        for remark in remarks(report):
            line(remark, "dim")
    if report.others:
        show_others(report, console)
    if not report.rows and not report.others:
        line(NOTHING)


def fitting(columns: list[Column], report: Report, width: int) -> tuple[list[Column], list[Column]]:
    """Return the columns that fit, and the others: metrics go from the right, then settings, never the sorting one."""
    kept = list(columns)
    left_out: list[Column] = []
    settings = {*report.columns}
    while total(kept) > width:
        movable = [each for each in kept if each.key not in settings and each.key != report.metric]
        movable = movable or [each for each in kept if each.key in settings][1:]
        if not movable:
            break
        left_out.insert(0, movable[-1])
        kept.remove(movable[-1])
    return kept, left_out


def enumerated(columns: Sequence[Column]) -> str:
    """Return the names of the first of these columns, and how many more there are."""
    names = ", ".join(each.key for each in columns[:NAMED])
    more = len(columns) - NAMED
    return f"{names} and {more} more (--columns chooses)" if more > 0 else names


def total(columns: Sequence[Column]) -> int:
    """Return the terminal columns that these take beside each other."""
    return sum(breadth(each) + GAP for each in columns) - GAP


def breadth(column: Column) -> int:
    """Return the terminal columns of the widest cell."""
    return max(map(cell_len, [*column.head.split(", "), *column.cells]))


def table(columns: Sequence[Column]) -> Table:
    """Return the table: heads of several parts take several lines; the first row, the best one, is bold."""
    result = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
    for column in columns:
        head = column.head.replace(", ", "\n")
        result.add_column(Text(head), justify="right" if column.numeric else "left", no_wrap=True, vertical="bottom")
    for index, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        result.add_row(*map(Text, cells), style="bold" if index == 0 else "")
    return result


def show_others(report: Report, console: Console) -> None:
    """Print state, directory and reason of the runs that are not done, and what can be done about it."""
    count = len(report.others)
    verb = "runs are" if count > 1 else "run is"
    console.print(f"\n{count} {verb} not done:" if report.rows else f"No run is done; {count} {verb} not:")
    result = Table(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
    result.add_column(no_wrap=True, style="bold")
    result.add_column(overflow="fold")
    result.add_column(overflow="fold")
    root = above(report) if report.rows else Path.cwd()
    for run in report.others:
        place = run.path.relative_to(root) if run.path.is_relative_to(root) else run.path
        result.add_row(*map(Text, map(one_line, (run.state, str(place), run.reason))))
    console.print(result)
    if any(run.state in RESUMABLE for run in report.others):
        console.print(Text("Go on with one: python -m runner resume DIRECTORY", "dim"), soft_wrap=True)
