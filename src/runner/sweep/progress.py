"""What a sweep shows: one live table on a terminal, one line for each finished job elsewhere."""

import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from statistics import fmean

from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.files.reading import parse_json, read_bytes
from runner.report.ranking.outcome import name_on_test, validation_name
from runner.sweep.jobs import SweepJob
from runner.sweep.record import DONE, FAILED, INTERRUPTED, RUNNING, SKIPPED, WAITING, Entry, Sweep
from runner.tracking import layout
from runner.tracking.console import PIPE_WIDTH, TextConsole, shortest

STYLES = {DONE: "green", FAILED: "bold red", INTERRUPTED: "yellow", RUNNING: "cyan", SKIPPED: "dim", WAITING: "dim"}
# Of metrics.csv this much is read while a job runs: the latest rows are all that is wanted.
TAIL_BYTES = 8192


@dataclass(frozen=True)
class Latest:
    """How far a running job is: epochs done, and the monitored metric after the last of them."""

    epochs: int
    metric: float | None


def history(directory: Path, monitor: str, tail: int | None = None) -> dict[int, float]:
    """Return the monitored metric after each epoch (counted from 1), from a job's metrics.csv.

    Or its last `tail` bytes.
    """
    try:
        with (directory / layout.METRICS).open("rb") as file:
            if tail is not None:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - tail))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return {}
    measured = {}
    for row in csv.reader(lines):
        if len(row) == 4 and row[1].isdigit() and row[2] == monitor:
            with suppress(ValueError):  # the job is writing this line right now
                measured[int(row[1]) + 1] = float(row[3])
    return measured


def folds(directory: Path, monitor: str) -> dict[int, float]:
    """Return the mean of the monitored metric over the first fold, the first two, …, as far as a job has come."""
    try:
        done = parse_json(read_bytes(directory / layout.FOLDS))
    except (OSError, ValueError):
        return {}
    values = [fold[monitor] for fold in done if monitor in fold]
    return {count: fmean(values[:count]) for count in range(1, len(values) + 1)}


def latest(directory: Path, monitor: str) -> Latest:
    """Return how far a job is; nothing done where it has not measured anything."""
    measured = history(directory, monitor, TAIL_BYTES)
    return Latest(*max(measured.items())) if measured else Latest(0, None)


class Progress:
    """Shows a sweep while it runs.

    Args:
        outcome: the word for how a finished job ended.
    """

    def __init__(self, sweep: Sweep, jobs: Mapping[int, SweepJob], outcome: Callable[[Entry], str]) -> None:
        self.sweep, self.jobs, self.outcome = sweep, jobs, outcome
        # Jobs in this process have their output redirected; the table must not be.
        self.console = TextConsole(file=sys.stdout)
        if not self.console.is_terminal:
            self.console.width = PIPE_WIDTH
        self.started: dict[int, float] = {}
        # Of the jobs that were started here: what they are watched by, and their epochs. Asked for by another thread,
        # which must not compose anything.
        self.watched: dict[int, tuple[str, int]] = {}
        self.finished = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The live table within this context, where there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self.table,
            console=self.console,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield

    def start(self, job: SweepJob) -> None:
        """Note that a job was handed to the launcher."""
        self.started[job.number] = time.time()
        if job.plain is not None:
            self.watched[job.number] = job.plain["task"]["monitor"], job.plain["trainer"]["max_epochs"]
        self.sweep.entries[job.number].state = RUNNING

    def end(self, entry: Entry) -> None:
        """Print a finished job's line, and at once where it failed: why, and where its output is."""
        self.finished += 1
        begun = self.started.get(entry.number)
        took = "" if begun is None else f"{time.time() - begun:.1f} s"
        metric = self.metric(entry)
        # What was put off is done when all have finished: the test of the winner.
        place = f"[{self.finished}/{len(self.jobs)}]" if self.finished <= len(self.jobs) else "[test]"
        words = [place, self.outcome(entry), entry.title, metric, took]
        line = "  ".join(word for word in words if word)
        if entry.state in (FAILED, INTERRUPTED):
            log = self.sweep.directory(entry.number).resolve() / "console.log"
            line += f"\n    {entry.error}" + (f"\n    output: {shortest(log)}" if log.exists() else "")
        style = STYLES[FAILED] if entry.state == FAILED else None
        self.console.print(line, style=style, soft_wrap=True, markup=False)

    def metric(self, entry: Entry) -> str:
        """`val/accuracy 0.9871  test/accuracy 0.9862`, as far as the job has come."""
        if entry.number not in self.watched:
            return ""
        monitor = self.watched[entry.number][0]
        metrics = self.sweep.status(entry.number).get("metrics") or {}
        names = (validation_name(metrics, monitor), name_on_test(metrics, monitor))
        if known := [f"{name} {metrics[name]:.4g}" for name in names if name is not None]:
            return "  ".join(known)
        now = latest(self.sweep.directory(entry.number), monitor)
        return "" if now.metric is None else f"{monitor} {now.metric:.4g}"

    def table(self) -> Table:
        """Return the state of every job; of many, those that run, failed or ended last."""
        table = Table(box=None, pad_edge=False)
        for name in ("job", "what differs", "epoch", "metric so far", "status", "time left"):
            table.add_column(name, justify="right" if name in ("job", "epoch", "time left") else "left")
        entries = [self.sweep.entries[number] for number in self.jobs]
        shown = self.worth_showing(entries)
        for entry in shown:
            epoch, left = self.epochs(entry)
            words = (str(entry.number), entry.title, epoch, self.metric(entry))
            table.add_row(*map(Text, words), Text(entry.state, STYLES[entry.state]), Text(left))
        counts = Counter(entry.state for entry in entries)
        table.caption = "  ".join(f"{counts[state]:,} {state}" for state in STYLES if counts[state])
        if unseen := sum(not job.is_judged for job in list(self.jobs.values())):
            table.caption += f"  {unseen:,} not looked at yet"
        return table

    def worth_showing(self, entries: list[Entry]) -> list[Entry]:
        """As many as fit: running and failed ones first, then done, then waiting."""
        room = max(5, self.console.height - 6)
        order = {RUNNING: 0, FAILED: 1, INTERRUPTED: 2, DONE: 3, WAITING: 4, SKIPPED: 5}
        chosen = nsmallest(room, entries, key=lambda entry: (order[entry.state], -entry.number))
        return sorted(chosen, key=lambda entry: entry.number)

    def epochs(self, entry: Entry) -> tuple[str, str]:
        """`3/10` and the time left, of a job in training."""
        begun = self.started.get(entry.number)
        if entry.state != RUNNING or entry.number not in self.watched or begun is None:
            return "", ""
        monitor, total = self.watched[entry.number]
        done = latest(self.sweep.directory(entry.number), monitor).epochs
        if not done:
            return f"0/{total}", ""
        left = (time.time() - begun) * (total - done) / done
        return f"{done}/{total}", f"{left:.0f} s" if left < 600 else f"{left / 60:.0f} min"
