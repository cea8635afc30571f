"""What came of a sweep: one table of its results, what is not done, and where to look next."""

from collections.abc import Sequence
from shlex import quote

from runner.report.levels import compares_levels, draw_levels
from runner.report.report import build_report
from runner.report.runs import read_run
from runner.report.terminal import show as show_report
from runner.sweep.record import DONE, FAILED, INTERRUPTED, SKIPPED, WAITING, Entry, Sweep
from runner.tracking.console import console, shortest

# What is drawn of the best run of each way of fine-tuning, in the directory of their sweep.
PICTURE = "fine_tuning.png"


def show(sweep: Sweep, entries: Sequence[Entry]) -> None:
    """Print it."""
    runs = [read_run(sweep.directory(entry.number).resolve()) for entry in entries if entry.state == DONE]
    report = build_report(runs)
    if runs:
        show_report(report, console)
    place = quote(str(shortest(sweep.path.resolve())))
    for entry in entries:
        if entry.state != DONE:
            words = f"{entry.state}  {entry.title}: {entry.error}" if entry.error else f"{entry.state}  {entry.title}"
            console.print(words, markup=False, soft_wrap=True)
    advice = [
        ("the same command with sweep.retry_failed=true repeats what failed", FAILED),
        ("the same command goes on with what is left", INTERRUPTED, WAITING, SKIPPED),
    ]
    states = {entry.state for entry in entries}
    for text, *when in advice:
        if states & {*when}:
            console.print(text, soft_wrap=True)
    if compares_levels(report):
        best = build_report(runs, best_per="finetune")
        picture = shortest(draw_levels(best, sweep.path / PICTURE).resolve())
        console.print(f"Picture        {picture}", markup=False, soft_wrap=True)
    console.print(f"Report         python -m runner report {place} --format html", soft_wrap=True)
    console.print(f"TensorBoard    tensorboard --logdir {place}", soft_wrap=True)
