"""From a command line with `-m` to a sweep: a new one, or the one that the same command began earlier."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.errors import RunnerError, join_errors
from runner.sweep.jobs import SweepJob
from runner.sweep.plan import Plan
from runner.sweep.record import Entry, Sweep, find
from runner.tracking.identity import CONTENT, MACHINE_SETTINGS, flatten, holder, identity

# Of the jobs with the same mistake so many are named.
SHOWN = 3


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
        RunnerError: a known job's configuration is not the same any more.
    """
    numbers = {tuple(entry.overrides): number for number, entry in sweep.entries.items()}
    free = itertools.count(max(sweep.entries, default=-1) + 1)
    known = {job.number: numbers.get(tuple(job.overrides)) for job in jobs}
    new = {old: next(free) if number is None else number for old, number in known.items()}
    renumbered = [
        replace(job, number=new[job.number], needs=None if job.needs is None else new[job.needs]) for job in jobs
    ]
    register(sweep, renumbered)
    return renumbered


def register(sweep: Sweep, jobs: Sequence[SweepJob]) -> None:
    """Write the jobs into the sweep under their own numbers.

    Raises:
        RunnerError: one of these numbers has another configuration.
    """
    changed: list[str] = []
    for job in jobs:
        settings = flatten(job.composed.plain) if job.composed is not None else {}
        known = sweep.entries.get(job.number)
        if known is None:
            sweep.entries[job.number] = Entry(job.number, job.overrides, job.differs, job.identity, settings)
        elif known.identity != job.identity and not older(known, job):
            changed += differences(known.settings, settings)
    if changed:
        lines = "\n".join(f"  {line}" for line in dict.fromkeys(changed))
        raise RunnerError(
            f"{sweep.path}: the configuration changed since this sweep was started:\n{lines}\n"
            "Undo that to go on with it, or start a new one: add --fresh."
        )
    sweep.save()


def older(known: Entry, job: SweepJob) -> bool:
    """Return whether a sweep's entry is of this job, but of a version that did not look at what its data holds."""
    if job.composed is None or CONTENT in known.settings:
        return False
    section, key = holder(job.composed.plain, CONTENT)
    plain = {**job.composed.plain, "data": {name: each for name, each in section.items() if name != key}}
    return known.identity == identity(plain)


def differences(before: dict[str, object], now: dict[str, object]) -> list[str]:
    """`optimizer.lr: 0.003, now 0.01` for every setting that decides results and is not what it was."""
    nothing = "(absent)"
    return [
        f"{key}: {before.get(key, nothing)}, now {now.get(key, nothing)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, nothing) != now.get(key, nothing) and not key.startswith(MACHINE_SETTINGS)
    ]


def without_invalid(jobs: Sequence[SweepJob], on_invalid: str) -> tuple[list[SweepJob], list[str]]:
    """Return the jobs that can run, and a line for each that cannot.

    Raises:
        RunnerError: there are some that cannot, and they are not to be skipped; or none can.
    """
    bad = [job for job in jobs if job.mistakes]
    lines = together(bad)
    if len({tuple(job.mistakes) for job in jobs}) == 1 and bad:
        raise join_errors(bad[0].mistakes)  # the same in all of them: it has nothing to do with the grid
    if bad and on_invalid == "refuse":
        listed = "\n".join(f"  {line}" for line in lines)
        raise RunnerError(
            f"{len(bad)} of {len(jobs)} combinations cannot run:\n{listed}\n"
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
