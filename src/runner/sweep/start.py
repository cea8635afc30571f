"""From a command line with `-m` to a sweep: a new one, or the one that the same command began earlier."""

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.config import overrides
from runner.errors import RunnerError, join_errors
from runner.sweep.jobs import SweepJob
from runner.sweep.plan import Plan
from runner.sweep.record import Entry, Sweep, find
from runner.tracking.console import console
from runner.tracking.identity import CONTENT, MACHINE_SETTINGS, flatten, holder, identity

# Of the jobs with the same mistake so many are named.
SHOWN = 3
# Where the configuration changed, so many jobs are compared.
COMPARED = 20
# Of fewer runs nobody waits to hear how many have been looked at.
MANY = 200
# So many are looked at however long it takes: small sweeps are refused as a whole on slow machines too.
LEAST = 50


def begin(plan: Plan, *, fresh: bool) -> Sweep:
    """Return the sweep of this plan; an earlier one is gone on with unless `fresh`.

    Raises:
        RunnerError: the earlier one was started with another configuration, or the named place holds another sweep.
    """
    earlier = None
    if plan.chosen_place and (plan.directory / "sweep.json").is_file():
        if fresh:
            raise RunnerError(f"hydra.sweep.dir={plan.directory}: holds a sweep; --fresh needs another place.")
        earlier = Sweep.load(plan.directory)
    elif not plan.chosen_place and not fresh:
        earlier = find(plan.directory.parents[1], plan.command)
    return Sweep(free(plan), plan.command) if earlier is None else earlier


def free(plan: Plan) -> Path:
    """Return the planned directory, or with a number behind it where that is taken."""
    path, number = plan.directory, 1
    while path.exists() and any(path.iterdir()):
        number += 1
        path = plan.directory.with_name(f"{plan.directory.name}-{number}")
    return path


def enter(sweep: Sweep, jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """Write the jobs into the sweep and return them under the numbers they have in it.

    A job that the sweep knows by its overrides keeps its number; new ones are appended.

    Raises:
        RunnerError: the configuration of a known job is not the same any more, as far as jobs have been looked at.
    """
    numbers = {tuple(entry.overrides): number for number, entry in sweep.entries.items()}
    free = itertools.count(max(sweep.entries, default=-1) + 1)
    known = {job.number: numbers.get(tuple(job.overrides)) for job in jobs}
    new = {old: next(free) if number is None else number for old, number in known.items()}
    renumbered = [job.numbered(new[job.number], None if job.needs is None else new[job.needs]) for job in jobs]
    for job in renumbered:
        if job.number not in sweep.entries:
            sweep.entries[job.number] = Entry(job.number, job.overrides, job.differs)
    register(sweep, [job for job in renumbered if job.is_judged])
    return renumbered


def register(sweep: Sweep, jobs: Sequence[SweepJob]) -> None:
    """Write the jobs into the sweep under their own numbers.

    Raises:
        RunnerError: one of these numbers has another configuration.
    """
    if changed := [job for job in jobs if not note(sweep, job)]:
        lines = "\n".join(f"  {line}" for line in dict.fromkeys(changes(sweep, changed)))
        raise RunnerError(
            f"{sweep.path}: the configuration changed since this sweep was started:\n{lines}\n"
            "Undo that to go on with it, or start a new one: add --fresh."
        )
    sweep.save()


def note(sweep: Sweep, job: SweepJob) -> bool:
    """Write the identity of a job into the sweep; return whether it is the one that was there, if there was any."""
    entry = sweep.entries.setdefault(job.number, Entry(job.number, job.overrides, job.differs))
    if entry.identity and entry.identity != job.identity and not older(entry, job):
        return False
    if not entry.identity and job.identity:
        entry.identity = job.identity
        sweep.keep_settings(job.number, job.chosen, job.plain or {})
    return True


def changes(sweep: Sweep, changed: Sequence[SweepJob]) -> Iterator[str]:
    """Yield what is not as it was in the settings of jobs that changed, as far as they were kept."""
    numbers = {job.number for job in changed}
    kept = sorted(
        (each for each in sweep.entries.values() if each.settings), key=lambda each: each.number not in numbers
    )
    found = False
    for entry in kept[:COMPARED]:
        job = changed[0].planner.job(entry.number, overrides.parse(entry.overrides)[0], ())
        if job.plain is not None and job.identity != entry.identity:
            for line in differences(entry.settings, flatten(job.plain)):
                found = True
                yield line
    if not found:
        before = sweep.entries[changed[0].number].identity
        yield f"{changed[0].title}: its identity was {before}, now {changed[0].identity}"


def older(known: Entry, job: SweepJob) -> bool:
    """Return whether a sweep's entry is of this job, but of a version that did not look at what its data holds."""
    if job.plain is None or CONTENT in known.settings:
        return False
    section, key = holder(job.plain, CONTENT)
    plain = {**job.plain, "data": {name: each for name, each in section.items() if name != key}}
    return known.identity == identity(plain)


def differences(before: dict[str, object], now: dict[str, object]) -> list[str]:
    """`optimizer.lr: 0.003, now 0.01` for every setting that decides results and is not what it was."""
    nothing = "(absent)"
    return [
        f"{key}: {before.get(key, nothing)}, now {now.get(key, nothing)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, nothing) != now.get(key, nothing) and not key.startswith(MACHINE_SETTINGS)
    ]


def look_at(jobs: Sequence[SweepJob], seconds: float | None = None) -> list[SweepJob]:
    """Judge jobs, first those in which a value occurs for the first time, and return those that are judged.

    Args:
        seconds: after which the others are left for later; None judges all.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    seen: set[str] = set()
    first: list[SweepJob] = []
    for job in jobs:
        texts = {each.text for each in job.parsed}
        if not texts <= seen:
            seen |= texts
            first.append(job)
    with told(len(jobs)) as tell:
        for count, job in enumerate([*first, *jobs]):
            if count >= LEAST and time.monotonic() > until:
                break
            tell(min(count + 1, len(jobs)))
            _ = job.mistakes
    return [job for job in jobs if job.is_judged]


@contextmanager
def told(total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many runs have been looked at."""
    if not console.is_terminal or total < MANY:
        yield lambda count: None
        return
    with console.status("") as status:
        yield lambda count: status.update(f"Looked at {count:,} of {total:,} runs")


def without_invalid(
    jobs: Sequence[SweepJob],
    on_invalid: str,
    seconds: float | None = None,
    told_before: Collection[tuple[str, ...]] = (),
) -> tuple[list[SweepJob], list[str]]:
    """Return the jobs that can run, as far as they are looked at, and a line for each that cannot.

    Args:
        seconds: that may be spent on looking.
        told_before: the overrides of jobs whose mistakes stand in the sweep already.

    Raises:
        RunnerError: there are some that cannot, and they are not to be skipped; or none can.
    """
    looked_at = look_at(jobs, seconds)
    bad = [job for job in looked_at if job.mistakes and tuple(job.overrides) not in told_before]
    lines = together(bad)
    if bad and len({tuple(job.mistakes) for job in looked_at}) == 1:
        raise join_errors(bad[0].mistakes)  # the same in all of them: it has nothing to do with the grid
    if bad and on_invalid == "refuse":
        listed = "\n".join(f"  {line}" for line in lines)
        several = f"{len(jobs)}" if len(looked_at) == len(jobs) else f"{len(looked_at)}, of {len(jobs)} in all,"
        raise RunnerError(
            f"{len(bad)} of {several} combinations cannot run:\n{listed}\n"
            "Nothing was started. Leave them out with sweep.on_invalid=skip."
        )
    dropped = {job.number for job in bad}
    good = [job for job in jobs if job.number not in dropped and job.needs not in dropped]
    if bad and not good:
        listed = "\n".join(f"  {line}" for line in lines)
        raise RunnerError(f"None of the {len(jobs)} combinations can run, so there are 0 runs:\n{listed}")
    return good, lines


def together(bad: Sequence[SweepJob]) -> list[str]:
    """Return one line for each mistake, with the jobs that have it."""
    titles: dict[str, list[str]] = {}
    for job in bad:
        titles.setdefault(" ".join(job.mistakes), []).append(job.title)
    return [
        f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}: {mistake}"
        for mistake, names in titles.items()
    ]
