"""Runs as a list: what each came to, how large it is and how old."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.report.quantities import show
from runner.report.runs import RunRecord

# Seconds of a minute, an hour and a day, and how each is called.
AGES = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True)
class OutputLine:
    """A run in the list.

    Attributes:
        metric: what it was watched by on validation data, with its value; empty where it measured nothing.
        size: bytes of its files.
        age: seconds since it began; None where nobody wrote that down.
    """

    run: RunRecord
    metric: str
    size: int
    age: float | None


def output_lines(runs: Iterable[RunRecord], now: float) -> list[OutputLine]:
    """Return runs that have a directory, the newest first; those of an unknown age come last.

    Args:
        now: seconds since 1970.
    """
    lines = [
        OutputLine(run, monitored(run), size_of(run.path), None if run.started is None else max(0.0, now - run.started))
        for run in runs
        if run.path.is_dir()
    ]
    return sorted(lines, key=lambda line: (line.age is None, line.age, str(line.run.path)))


def monitored(run: RunRecord) -> str:
    """Return `val/accuracy 0.9722`: the metric that chose the best epoch, else the first that there is."""
    names = [str(run.settings.get("task.monitor")), *run.metrics]
    return next((f"{name} {show(round(run.metrics[name], 4))}" for name in names if name in run.metrics), "")


def size_of(place: Path) -> int:
    """Return the bytes of the files in a directory and below; links count nothing: what they name lies elsewhere."""
    return sum(found.st_size for found in files_below(place))


def files_below(place: Path) -> Iterator[os.stat_result]:
    """Yield what the system knows of each file in a directory and below it; of what may not be read nothing."""
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                found = (Path(folder) / name).stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield found


def age_words(age: float | None) -> str:
    """Return `3 h`, the largest unit alone; `?` where it is not known."""
    if age is None:
        return "?"
    return next((f"{age // seconds:.0f} {unit}" for seconds, unit in AGES if age >= seconds), "now")
