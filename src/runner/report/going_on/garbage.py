"""Which runs are of no use any more: those that failed, and finished ones that a newer run repeats."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.report.run_record import DONE
from runner.report.runs import SWEEP, RunRecord
from runner.tracking import layout, lock

FAILED = ("failed", "unfinished")
STOPPED = ("interrupted", "died")
# A directory without all of these is none that a run made, whatever else lies there.
OURS = (layout.CONFIG, layout.OVERRIDES, layout.STATUS)
# All that a run writes. What else lies in its directory somebody put there.
WRITTEN = {
    *(layout.CONFIG, layout.OVERRIDES, layout.ENVIRONMENT, layout.STATUS, layout.METRICS, layout.FOLDS, layout.RESULT),
    *(layout.LOG, layout.CHECKPOINTS, layout.TENSORBOARD, layout.ARTIFACTS, layout.RESUMED, layout.EARLIER),
    *(layout.REPORT, lock.FILE, "console.log"),
}
CHECKPOINT = ".ckpt"


@dataclass(frozen=True)
class Garbage:
    """A run that is of no use any more.

    Attributes:
        why: in a few words.
        checkpoints: its checkpoints, which are the run's own files.
        whole: whether its directory may go too: it is no job of a sweep, and holds nothing that no run writes.
    """

    run: RunRecord
    why: str
    checkpoints: tuple[Path, ...]
    whole: bool


def garbage(
    runs: Sequence[RunRecord], links: Iterable[Path] = (), *, stopped: bool = False, others: Sequence[RunRecord] = ()
) -> list[Garbage]:
    """Return what can go, by path: nothing that goes on, and nothing that what stays was made from or starts from.

    Args:
        links: symbolic links; who set one to a run wants to keep it.
        stopped: count interrupted runs and those whose process died too, although `resume` goes on with them.
        others: further runs, which stay, but may have been made from these.
    """
    unwanted = {run.path: why for run, why in reasons(runs, stopped=stopped) if is_ours(run.path)}
    kept = [run for run in (*runs, *others) if run.path not in unwanted]
    linked = [Path(os.path.realpath(link)) for link in links]
    while kept or linked:
        named = {*linked, *(place for run in kept for place in places_named(run))}
        needed = {path for path in unwanted if any(place.is_relative_to(path) for place in named)}
        kept, linked = [run for run in runs if run.path in needed], []
        unwanted = {path: why for path, why in unwanted.items() if path not in needed}
    return [described(run, unwanted[run.path]) for run in runs if run.path in unwanted]


def reasons(runs: Sequence[RunRecord], *, stopped: bool) -> Iterator[tuple[RunRecord, str]]:
    """Yield the runs that failed or are superseded, each with why it is of no use."""
    newest: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda run: run.started or 0.0):
        if run.state == DONE and run.identity and not run.held:
            newest[run.identity] = run
    for run in runs:
        newer = newest.get(run.identity)
        if run.state in FAILED or (stopped and run.state in STOPPED):
            yield run, run.state
        elif run.state == DONE and newer is not None and newer.path != run.path:
            yield run, f"repeated by {newer.path.name}"


def is_ours(path: Path) -> bool:
    """Return whether a directory is a run's that nobody works in, nor in the sweep or the run around it."""
    if path.is_symlink() or not all((path / name).is_file() and not (path / name).is_symlink() for name in OURS):
        return False
    inside_a_run = any(all((folder / name).is_file() for name in OURS) for folder in path.parents)
    return not inside_a_run and not lock.is_held(path) and not lock.is_held(path.parent)


def places_named(run: RunRecord) -> Iterator[Path]:
    """Yield every place that the settings of a run may name: relative ones, from wherever it may have been started."""
    values = [each for value in run.settings.values() for each in (value if isinstance(value, list) else [value])]
    typed = [text.partition("=")[2].strip("'\"") for text in run.overrides]
    for text in {each for each in (*values, *typed) if isinstance(each, str) and "/" in each and "\0" not in each}:
        for start in (Path.cwd(), *run.path.parents):
            yield Path(os.path.realpath(start / text))


def described(run: RunRecord, why: str) -> Garbage:
    """Return what can go of a run."""
    whole = not (run.path.parent / SWEEP).exists() and {each.name for each in run.path.iterdir()} <= WRITTEN
    folder = run.path / layout.CHECKPOINTS
    if folder.is_symlink() or not folder.is_dir():
        return Garbage(run, why, (), whole and not folder.is_symlink())
    inside = sorted(folder.iterdir())
    files = [path for path in inside if path.suffix == CHECKPOINT and path.is_file() and not path.is_symlink()]
    return Garbage(run, why, tuple(files), whole and len(files) == len(inside))
