"""SweepJob: one run of a sweep, and the combinations of overrides that make them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Glob
from hydra.core.override_parser.types import Override as HydraOverride

from runner.config import catalog, overrides
from runner.config.compose import Composed, Composer, raise_all
from runner.config.judge import Judge
from runner.config.overrides import Override
from runner.errors import RunnerError
from runner.tracking.identity import identity

WEIGHTS, TEACHER = "weights", "teacher"
# Of so many jobs the configuration is kept, those that run: what is shown of them is asked for twice a second.
ASKED = 256
NO_MISTAKES: list[str] = []


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep: what it is, is looked at when it is asked for, since a sweep may have 100,000.

    Attributes:
        parsed: the command line of this run alone.
        varying: the keys in which the jobs of the sweep differ.
        needs: the number of the job that has to be done before.
        takes: what it takes of that job: its `weights`, to start from them, or its network, to learn from a `teacher`.
    """

    number: int
    parsed: tuple[Override, ...]
    varying: frozenset[str]
    planner: "Planner" = field(repr=False, compare=False)
    needs: int | None = None
    takes: str = WEIGHTS

    @property
    def overrides(self) -> list[str]:
        """The command line of this run alone."""
        return [each.text for each in self.parsed]

    @property
    def differs(self) -> list[str]:
        """Those of its overrides in which the jobs of the sweep differ."""
        return [each.text for each in self.parsed if each.key in self.varying]

    @property
    def title(self) -> str:
        """What tells this job from the others."""
        return " ".join(self.differs) or "the plain run"

    @cached_property
    def _answer(self) -> tuple[str, list[str]]:
        judged = self.planner.judged(self.parsed)
        if judged.plain is None or judged.mistakes:
            return "", judged.mistakes
        return identity(judged.plain), NO_MISTAKES

    @property
    def is_judged(self) -> bool:
        """Whether its identity and its mistakes are known already."""
        return "_answer" in vars(self)

    @property
    def identity(self) -> str:
        """Of its configuration; empty where that has mistakes."""
        return self._answer[0]

    @property
    def mistakes(self) -> list[str]:
        """What is wrong with it."""
        return self._answer[1]

    @property
    def plain(self) -> dict[str, Any] | None:
        """Its resolved configuration, which nobody may change; None where there is none."""
        return self.planner.judged(self.parsed).plain

    @property
    def chosen(self) -> dict[str, str]:
        """Configuration group to the file chosen of it."""
        return self.planner.judged(self.parsed).chosen

    @property
    def composed(self) -> Composed | None:
        """Its configuration; None where it does not compose."""
        return self.planner.composed(self.parsed)

    def numbered(self, number: int, needs: int | None) -> "SweepJob":
        """Return the same job under another number, with what is known of it."""
        if (number, needs) == (self.number, self.needs):
            return self
        other = replace(self, number=number, needs=needs)
        vars(other).update({name: value for name, value in vars(self).items() if name == "_answer"})
        return other


class Planner:
    """Makes jobs out of overrides, and keeps what was asked of a job last: it is asked again while the job runs."""

    def __init__(self, config_dir: str | None) -> None:
        self.composer = Composer(catalog.config_directories(config_dir))
        self.known = self.composer.known
        self.judged = lru_cache(ASKED)(Judge(self.composer).judge)
        self.composed = lru_cache(1)(lambda parsed: self.composer.compose(parsed)[0])

    def job(
        self,
        number: int,
        parsed: Sequence[Override],
        varying: Iterable[str],
        needs: int | None = None,
        takes: str = WEIGHTS,
    ) -> SweepJob:
        """Return one job, which holds its mistakes."""
        keys = varying if isinstance(varying, frozenset) else frozenset(varying)
        return SweepJob(number, tuple(parsed), keys, self, needs, takes)

    def settings(self, parsed: Sequence[Override]) -> Composed:
        """Return the sections around the runs, and Hydra's directories."""
        composed, mistakes = self.composer.apply(parsed)
        raise_all(mistakes)
        assert composed is not None  # there would be a mistake
        return composed


def combined(planner: Planner, outer: Sequence[Override], shared: Sequence[Sequence[Override]] = ()) -> list[SweepJob]:
    """Return every combination; each is trained once for those in `shared`, which start from its weights."""
    varying = frozenset(each.key for each in outer if each.sweeps) | {each.key for inner in shared for each in inner}
    jobs: list[SweepJob] = []
    for combination in product(outer, planner):
        trained = planner.job(len(jobs), combination, varying)
        jobs.append(trained)
        for inner in shared:
            jobs.append(planner.job(len(jobs), [*combination, *inner], varying, needs=trained.number))
    return jobs


def complete(job: SweepJob, done: Path) -> SweepJob:
    """Return the same job with what it takes of another that is done, whose run directory is `done`."""
    plain = job.plain
    if plain is None:
        return job
    if job.takes == TEACHER:
        texts = {"distillation.teacher": str(done)}
    else:
        stages = [stage for stage in plain["stages"] if stage not in ("fit", "cross_validate")]
        texts = {"checkpoint": str(done), "stages": f"[{','.join(stages)}]"}
    kept = [each for each in job.parsed if each.text.partition("=")[0] not in texts]
    added = overrides.parse([f"{key}={value}" for key, value in texts.items()])[0]
    return replace(job, parsed=(*kept, *added))


def product(parsed: Sequence[Override], planner: Planner) -> Iterator[tuple[Override, ...]]:
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
    return itertools.product(*options)
