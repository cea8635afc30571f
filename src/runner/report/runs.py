"""Runs on disk: where they lie, and their curves; small text files only."""

import csv
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from runner.errors import RunnerError
from runner.files.reading import SWEEP_BYTES, SWEEP_NODES
from runner.report.run_record import RunRecord, job_without_run, mapping, read_json, read_run
from runner.tracking import layout

__all__ = ["RunRecord", "curves", "find_runs", "read_run"]

# What lies inside a run directory and holds no further runs.
INSIDE = (layout.ARTIFACTS, layout.CHECKPOINTS, layout.TENSORBOARD)
# In a sweep's directory, the list of its jobs.
SWEEP = layout.SWEEP
# Characters of a row of metrics.csv; what is longer is none, and is read piece by piece.
LONGEST_LINE = 10_000


def find_runs(places: Sequence[Path]) -> list[RunRecord]:
    """Return the runs in these directories and below them, each once, by path.

    Raises:
        RunnerError: a place does not exist, is no directory, or holds no run at all.
    """
    found: dict[Path, RunRecord] = {}
    for place in places:
        if not place.is_dir():
            what = "is a file; name the run directory it lies in" if place.exists() else "there is no such directory"
            raise RunnerError(f"{place}: {what}.")
        here = {run.path: run for run in runs_below(place)}
        if not here:
            raise RunnerError(
                f"{place}: holds no run. Name run directories, sweep directories, or a directory above them."
            )
        found |= here
    return list(found.values())


def runs_below(place: Path) -> Iterator[RunRecord]:
    """Yield the runs of `place` and of what lies below it, by path, with the jobs that never became one."""
    for folder, inner, files in os.walk(place.resolve()):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=in_order)
        if is_run({*files}):
            inner[:] = [name for name in inner if name not in INSIDE]
            yield read_run(Path(folder))
        elif SWEEP in files:
            yield from jobs_without_run(Path(folder))


def in_order(name: str) -> tuple[int, str]:
    """Sort directories by name; numbers, as a sweep calls its runs, by their size."""
    return (int(name), "") if name.isdecimal() else (0, name)


def is_run(files: set[str]) -> bool:
    """Return whether a directory with these files is a run's; `config.yaml` alone is also a directory of choices."""
    return bool({layout.RESULT, layout.STATUS} & files) or {layout.CONFIG, layout.OVERRIDES} <= files


def jobs_without_run(sweep: Path) -> Iterator[RunRecord]:
    """Yield the jobs in a sweep's list that left no run directory: skipped, waiting, or failed before they had one."""
    jobs = read_json(sweep / SWEEP, SWEEP_BYTES, SWEEP_NODES)[0].get("jobs")
    for job in map(mapping, jobs if isinstance(jobs, list) else []):
        number = job.get("number")
        if isinstance(number, int) and not is_run(names_in(sweep / str(number))):
            yield job_without_run(sweep / str(number), job)


def names_in(directory: Path) -> set[str]:
    """Return what lies in a directory; nothing where it is none, or nobody may look."""
    try:
        return {each.name for each in directory.iterdir()}
    except OSError:
        return set()


def curves(run: RunRecord) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of metrics.csv by metric: (step, value) in the order of the file; empty without one.

    Values that are no finite numbers, and lines that were cut off, are left out.
    """
    try:
        with (run.path / layout.METRICS).open(newline="", encoding="utf-8", errors="replace") as file:
            return points(csv.reader(iter(lambda: file.readline(LONGEST_LINE), "")))
    except (OSError, csv.Error):
        return {}


def points(rows: Iterable[Sequence[str]]) -> dict[str, list[tuple[float, float]]]:
    """Return the rows `step, epoch, metric, value` by metric."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        try:
            step, _, metric, text = row
            point = (float(step), float(text))
        except ValueError:  # the header, and lines that are no rows
            continue
        if all(map(math.isfinite, point)):
            found.setdefault(metric, []).append(point)
    return found
