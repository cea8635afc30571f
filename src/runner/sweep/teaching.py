"""Sweeps of students: their teacher is trained first, once for everything that it would be trained alike for."""

from collections.abc import Sequence

from runner.compression.distillation.settings import SWEEP
from runner.compression.methods import GROUPS, is_chosen
from runner.config import overrides
from runner.config.compose import raise_all
from runner.config.overrides import Override
from runner.sweep.jobs import TEACHER, Planner, SweepJob, product

# What only students have: a teacher is trained like any network, by itself and with the run's own seed.
STUDENTS_ONLY = (*GROUPS, "seed")


def taught(planner: Planner, whole: Sequence[Override], texts: Sequence[str]) -> list[SweepJob]:
    """Return every combination of `whole`, those with a teacher behind the job that trains it.

    A teacher is trained by the overrides of its student, without those of sections that only students have, and with
    `texts` on top. Students for whom that comes to the same share one.

    Raises:
        RunnerError: `texts` are no overrides.
    """
    given, mistakes = overrides.parse(texts)
    raise_all([f"sweep.teacher: {each}" for each in mistakes])
    varying = [each.key for each in whole if each.sweeps]
    teachers: dict[tuple[str, ...], int] = {}
    jobs: list[SweepJob] = []
    for combination in product(whole, planner):
        alone = planner.job(len(jobs), combination, varying)
        if not wants_teacher(alone):
            jobs.append(alone)
            continue
        parsed = teachers_own(combination, given)
        key = tuple(each.text for each in parsed)
        if key not in teachers:
            teachers[key] = len(jobs)
            jobs.append(planner.job(len(jobs), parsed, [*varying, *(each.key for each in given)]))
        waiting = [*combination, *overrides.parse([f"distillation.teacher={SWEEP}"])[0]]
        jobs.append(planner.job(len(jobs), waiting, varying, teachers[key], TEACHER))
    return jobs


def wants_teacher(job: SweepJob) -> bool:
    """Return whether a job is a student that was not given a teacher of its own."""
    if job.plain is None:
        return False
    settings = job.plain["distillation"]
    return is_chosen(settings) and settings["teacher"] is None


def teachers_own(combination: Sequence[Override], given: Sequence[Override]) -> list[Override]:
    """Return the overrides that train the teacher of a student with these.

    Another choice of a group brings its own keys.
    """
    keys = {each.key for each in given}
    left_out = {*STUDENTS_ONLY, *keys}
    shared = [each for each in combination if each.key not in keys and section(each) not in left_out]
    return [*shared, *given]


def section(override: Override) -> str:
    """Return the first part of its key, which for groups below groups is theirs."""
    return override.key.replace("/", ".").partition(".")[0]
