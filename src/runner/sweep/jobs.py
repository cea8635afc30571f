"""SweepJob: one run of a sweep, and the combinations of overrides that make them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra.core.override_parser.types import Glob
from hydra.core.override_parser.types import Override as HydraOverride

from runner.config import catalog, overrides
from runner.config.compose import Composed, Composer, raise_all
from runner.config.overrides import Override
from runner.errors import RunnerError
from runner.tracking.identity import identity

WEIGHTS, TEACHER = "weights", "teacher"


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        overrides: the command line of this run alone.
        differs: those of them in which the jobs of the sweep differ.
        identity: of its configuration; empty where that has mistakes.
        needs: the number of the job that has to be done before.
        takes: what it takes of that job: its `weights`, to start from them, or its network, to learn from a `teacher`.
    """

    number: int
    overrides: list[str]
    differs: list[str]
    composed: Composed | None
    identity: str
    mistakes: list[str] = field(default_factory=list)
    needs: int | None = None
    takes: str = WEIGHTS

    @property
    def title(self) -> str:
        """What tells this job from the others."""
        return " ".join(self.differs) or "the plain run"


class Planner:
    """Makes jobs out of overrides; configurations that share their choices are composed once."""

    def __init__(self, config_dir: str | None) -> None:
        self.composer = Composer(catalog.config_directories(config_dir))
        self.known = self.composer.known

    def job(
        self,
        number: int,
        parsed: Sequence[Override],
        varying: Sequence[str],
        needs: int | None = None,
        takes: str = WEIGHTS,
    ) -> SweepJob:
        """Return one job, which holds its mistakes."""
        composed, mistakes = self.composer.compose(parsed)
        own = "" if composed is None or mistakes else identity(composed.plain)
        texts = [each.text for each in parsed]
        differs = [each.text for each in parsed if each.key in varying]
        return SweepJob(number, texts, differs, composed, own, mistakes, needs, takes)

    def settings(self, parsed: Sequence[Override]) -> Composed:
        """Return the sections around the runs, and Hydra's directories."""
        composed, mistakes = self.composer.apply(parsed)
        raise_all(mistakes)
        assert composed is not None  # there would be a mistake
        return composed


def combined(planner: Planner, outer: Sequence[Override], shared: Sequence[Sequence[Override]] = ()) -> list[SweepJob]:
    """Return every combination; each is trained once for those in `shared`, which start from its weights."""
    varying = [each.key for each in outer if each.sweeps] + [each.key for inner in shared for each in inner]
    jobs: list[SweepJob] = []
    for combination in product(outer, planner):
        trained = planner.job(len(jobs), combination, varying)
        jobs.append(trained)
        for inner in shared:
            jobs.append(planner.job(len(jobs), [*combination, *inner], varying, needs=trained.number))
    return jobs


def complete(job: SweepJob, done: Path, planner: Planner) -> SweepJob:
    """Return the same job with what it takes of another that is done, whose run directory is `done`."""
    if job.composed is None:
        return job
    if job.takes == TEACHER:
        texts = {"distillation.teacher": str(done)}
    else:
        stages = [stage for stage in job.composed.config.stages if stage not in ("fit", "cross_validate")]
        texts = {"checkpoint": str(done), "stages": f"[{','.join(stages)}]"}
    kept = [text for text in job.overrides if text.partition("=")[0] not in texts]
    parsed = overrides.parse([*kept, *(f"{key}={value}" for key, value in texts.items())])[0]
    varying = [text.partition("=")[0] for text in job.differs]
    return replace(planner.job(job.number, parsed, varying), needs=job.needs, takes=job.takes)


def product(parsed: Sequence[Override], planner: Planner) -> list[list[Override]]:
    """Return every combination of the values of these overrides, the last varying fastest."""
    options = [overrides.single_values(each, planner.known) if each.sweeps else [each] for each in parsed]
    for each, values in zip(parsed, options, strict=True):
        if not values:
            if isinstance(each.value, HydraOverride) and isinstance(each.value.value(), Glob):
                raise RunnerError(
                    f"{each.text}: no choice has such a name, so there are 0 runs. "
                    f"See: python -m runner list {each.key}"
                )
            if each.value.is_discrete_sweep():
                raise RunnerError(f"{each.text}: holds no value, so there are 0 runs; give it at least one.")
            raise RunnerError(f"{each.text}: an interval has no list of values; sweep=search draws from it.")
    return [list(combination) for combination in itertools.product(*options)]
