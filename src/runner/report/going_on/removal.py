"""Removes what is of no use any more, checkpoints first; the only place that takes a run from the disk."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from runner.errors import RunnerError
from runner.report.going_on.garbage import OURS, Garbage
from runner.report.run_record import read_run
from runner.tracking import lock


def links_below(place: Path) -> Iterator[Path]:
    """Yield the symbolic links in a directory and below it; none is followed."""
    for folder, inner, files in os.walk(place):
        yield from (path for name in (*inner, *files) if (path := Path(folder) / name).is_symlink())


def remove(each: Garbage, *, whole: bool) -> None:
    """Remove the checkpoints of a run, then, if `whole`, its directory as far as that may go.

    Raises:
        RunnerError: somebody works there by now, its state is another one, or a file can't be removed.
    """
    with lock.held(each.run.path, "this run goes on again"):
        if read_run(each.run.path).state != each.run.state:
            raise RunnerError(f"{each.run.path}: its state changed since it was looked at. Give the command again.")
        try:
            for path in each.checkpoints:
                path.unlink(missing_ok=True)
            if whole and each.whole:
                remove_whole(each.run.path)
        except OSError as error:
            raise RunnerError(f"{error.filename}: cannot be removed ({error.strerror}).") from None


def remove_whole(path: Path) -> None:
    """Remove a run directory; what says that it is one goes last, so that an interrupted removal can be repeated."""
    last = [*OURS, lock.FILE]
    for entry in sorted(path.iterdir(), key=lambda entry: last.index(entry.name) if entry.name in last else -1):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    path.rmdir()
