"""The jobs of a sweep, every one composed and checked before the first of them starts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner.config import catalog, overrides, resolvers
from runner.config.compose import Composed, composer, examine, hydra_config, raise_all, split
from runner.config.overrides import Override
from runner.errors import RunnerError
from runner.tracking.identity import AROUND_RUNS, identity

# Hydra's own ways to say what this project has groups of its own for.
INSTEAD = {
    "hydra/launcher": "launcher=processes, ray or slurm",
    "hydra/sweeper": "sweep=search",
    "hydra.launcher": "the keys of launcher",
    "hydra.sweeper": "the keys of sweep.search",
    "hydra.sweep.subdir": "hydra.sweep.dir; the runs in it are numbered",
}


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        overrides: the command line of this run alone.
        differs: those of them in which the jobs of the sweep differ.
        identity: of its configuration; empty where that has mistakes.
        needs: the number of the job whose weights it starts from.
    """

    number: int
    overrides: list[str]
    differs: list[str]
    composed: Composed | None
    identity: str
    mistakes: list[str] = field(default_factory=list)
    needs: int | None = None

    @property
    def title(self) -> str:
        """What tells this job from the others."""
        return " ".join(self.differs) or "the plain run"


@dataclass(frozen=True)
class Plan:
    """What a command line with `-m` asks for.

    Attributes:
        command: the overrides that decide what runs, presets included.
        directory: where Hydra's settings want the sweep.
        chosen_place: whether the user named that place.
        space: the overrides with several values, for a search.
    """

    command: list[str]
    config_dir: str | None
    sweep: dict[str, Any]
    launcher: dict[str, Any]
    directory: Path
    chosen_place: bool
    jobs: list[SweepJob]
    space: list[Override]


class Planner:
    """Makes jobs out of overrides; configurations that share their choices are composed once."""

    def __init__(self, config_dir: str | None) -> None:
        resolvers.register()
        directories = catalog.config_directories(config_dir)
        self.known = catalog.choices(directories)
        self.compose = composer(directories)
        self.directories = directories

    def job(
        self, number: int, parsed: Sequence[Override], varying: Sequence[str], needs: int | None = None
    ) -> SweepJob:
        """One job; its mistakes are in it."""
        composed, mistakes = examine(parsed, self.known, self.compose)
        own = "" if composed is None or mistakes else identity(plain(composed))
        texts = [each.text for each in parsed]
        differs = [each.text for each in parsed if each.key in varying]
        return SweepJob(number, texts, differs, composed, own, mistakes, needs)

    def settings(self, parsed: Sequence[Override]) -> Composed:
        """The sections around the runs, and Hydra's directories."""
        return split(hydra_config(self.directories, [each.text for each in parsed]), [])


def plan(texts: Sequence[str], config_dir: str | None) -> Plan:
    """Understands the command line of a sweep.

    Raises:
        RunnerError: mistakes that no run could do without; mistakes of single jobs are in the jobs.
    """
    planner = Planner(config_dir)
    parsed, mistakes = overrides.parse(texts)
    raise_all([*mistakes, *unsweepable(parsed)])
    around = [each for each in parsed if section(each) in (*AROUND_RUNS, "hydra")]
    raise_all(examine(around, planner.known, planner.compose)[1])
    settings = planner.settings(around)
    own = [each for each in parsed if section(each) not in AROUND_RUNS and not each.key.startswith("hydra.")]
    grid, wrong = overrides.parse(settings.sweep["grid"])
    raise_all(wrong)
    given = {each.key for each in own}
    grid = [each for each in grid if each.key not in given]
    whole = [*own, *grid]
    space = [each for each in whole if each.sweeps]
    jobs = [] if settings.sweep["search"] else expand(planner, whole, grid if settings.sweep["train_once"] else [])
    place = planner.settings([*around, *first_values(own if settings.sweep["train_once"] else whole, planner)])
    return Plan(
        command=[each.text for each in whole],
        config_dir=config_dir,
        sweep=settings.sweep,
        launcher=settings.launcher,
        directory=place.sweep_directory,
        chosen_place=any(each.key == "hydra.sweep.dir" for each in around),
        jobs=jobs,
        space=space,
    )


def expand(planner: Planner, whole: Sequence[Override], shared_grid: Sequence[Override]) -> list[SweepJob]:
    """Every combination; with `shared_grid` the others are trained once, and the grid starts from their weights."""
    outer = [each for each in whole if each not in shared_grid]
    varying = [each.key for each in whole if each.sweeps]
    jobs: list[SweepJob] = []
    for combination in product(outer, planner):
        trained = planner.job(len(jobs), combination, varying)
        jobs.append(trained)
        if shared_grid:
            for inner in product(shared_grid, planner):
                job = planner.job(len(jobs), [*combination, *inner], varying, needs=trained.number)
                jobs.append(job)
    return jobs


def start_from(job: SweepJob, checkpoint: Path, planner: Planner) -> SweepJob:
    """The same job, with trained weights in place of its training."""
    if job.composed is None:
        return job
    stages = [stage for stage in job.composed.config.stages if stage not in ("fit", "cross_validate")]
    texts = [f"checkpoint={checkpoint}", f"stages=[{','.join(stages)}]"]
    parsed = overrides.parse([*job.overrides, *texts])[0]
    varying = [text.partition("=")[0] for text in job.differs]
    return replace(planner.job(job.number, parsed, varying), needs=job.needs)


def product(parsed: Sequence[Override], planner: Planner) -> list[list[Override]]:
    """Every combination of the values of these overrides, the last varying fastest."""
    options = [overrides.single_values(each, planner.known) if each.sweeps else [each] for each in parsed]
    for each, values in zip(parsed, options, strict=True):
        if not values:
            raise RunnerError(f"{each.text}: an interval has no list of values; sweep=search draws from it.")
    return [list(combination) for combination in itertools.product(*options)]


def first_values(parsed: Sequence[Override], planner: Planner) -> list[Override]:
    """One run of the sweep, for settings that are the same in all of them; nothing where that run has mistakes."""
    singles = [overrides.single_values(each, planner.known)[:1] if each.sweeps else [each] for each in parsed]
    first = list(itertools.chain.from_iterable(singles))
    return [] if examine(first, planner.known, planner.compose)[1] else first


def unsweepable(parsed: Sequence[Override]) -> list[str]:
    """Messages for several values where one is needed, and for settings of Hydra's that have another name here."""
    messages = [
        f"{each.text}: one value at a time; a sweep has one {section(each)}."
        for each in parsed
        if each.sweeps and section(each) in (*AROUND_RUNS, "hydra")
    ]
    for each in parsed:
        for key, instead in INSTEAD.items():
            if each.key == key or each.key.startswith(f"{key}."):
                messages.append(f"{each.text}: use {instead}.")
    return messages


def section(override: Override) -> str:
    """The first part of its key."""
    return override.key.partition(".")[0]


def plain(composed: Composed) -> dict[str, Any]:
    """The resolved configuration as plain containers."""
    values: Any = OmegaConf.to_container(composed.config, resolve=True)
    return dict(values)
