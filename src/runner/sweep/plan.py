"""The jobs of a sweep, every one composed and checked before the first of them starts."""

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.compression import methods
from runner.config import overrides
from runner.config.compose import raise_all
from runner.config.overrides import Override
from runner.errors import RunnerError, did_you_mean
from runner.sweep.jobs import Planner, SweepJob, combined, product
from runner.sweep.teaching import taught
from runner.tracking.identity import AROUND_RUNS

# Hydra's own ways to say what this project has groups of its own for.
INSTEAD = {
    "hydra/launcher": "launcher=processes, ray or slurm",
    "hydra/sweeper": "sweep=search",
    "hydra.launcher": "the keys of launcher",
    "hydra.sweeper": "the keys of sweep.search",
    "hydra.sweep.subdir": "hydra.sweep.dir; the runs in it are numbered",
}


@dataclass(frozen=True)
class Plan:
    """What a command line with `-m` asks for.

    Attributes:
        command: the overrides that decide what runs, presets included.
        directory: where Hydra's settings want the sweep.
        chosen_place: whether the user named that place.
        goal: what is looked for among the recipes; see `sweep.goal`.
        space: the overrides with several values, for a search.
    """

    command: list[str]
    config_dir: str | None
    sweep: dict[str, Any]
    launcher: dict[str, Any]
    goal: dict[str, Any] | None
    directory: Path
    chosen_place: bool
    jobs: list[SweepJob]
    space: list[Override]


def plan(texts: Sequence[str], config_dir: str | None) -> Plan:
    """Understand the command line of a sweep.

    Raises:
        RunnerError: mistakes that no run could do without; mistakes of single jobs are in the jobs.
    """
    planner = Planner(config_dir)
    parsed, mistakes = overrides.parse(texts)
    raise_all([*mistakes, *unsweepable(parsed)])
    around = [each for each in parsed if section(each) in (*AROUND_RUNS, "hydra")]
    raise_all(planner.composer.compose(around)[1])
    settings = planner.settings(around)
    own = [each for each in parsed if section(each) not in AROUND_RUNS and not each.key.startswith("hydra.")]
    recipes = recipes_of(settings.sweep["recipes"], own, planner)
    grid, wrong = overrides.parse(settings.sweep["grid"])
    raise_all(wrong)
    given = {each.key for each in own}
    grid = [each for each in grid if each.key not in given]
    whole = [*own, *grid]
    space = [each for each in whole if each.sweeps]
    goal = settings.compression["goal"]
    refuse_vague(goal, recipes)
    place = planner.settings([*around, *first_values(naming(whole, own, settings.sweep), planner)])
    return Plan(
        command=[*(each.text for each in whole), *(" ".join(each.text for each in recipe) for recipe in recipes)],
        config_dir=config_dir,
        sweep=settings.sweep,
        launcher=settings.launcher,
        directory=place.sweep_directory,
        chosen_place=any(each.key == "hydra.sweep.dir" for each in around),
        goal=goal,
        jobs=expand(planner, own, grid, recipes, settings.sweep),
        space=space,
    )


def refuse_vague(goal: Mapping[str, Any] | None, recipes: Sequence[object]) -> None:
    """Raise RunnerError for a goal that lacks something, or recipes to choose from."""
    if not goal:
        return
    for key in ("max_drop", "minimise"):
        if key not in goal:
            raise RunnerError(f"compression.goal.{key} is missing: compression.goal={{max_drop: 0.3, minimise: size}}.")
    if not recipes:
        raise RunnerError("compression.goal chooses among recipes: add sweep=compression, or sweep.recipes=[…].")


def recipes_of(texts: Sequence[str], own: Sequence[Override], planner: Planner) -> list[list[Override]]:
    """Return the recipes of a sweep; what the command line says wins over them.

    Raises:
        RunnerError: a recipe that is no set of overrides, or that names what there is not.
    """
    given = {each.key for each in own}
    recipes = []
    for text in texts:
        parsed, wrong = overrides.parse(shlex.split(text))
        strange = [each for each in parsed if section(each).partition("/")[0] not in planner.known]
        wrong += [f"{each.text}: there is no such group.{did_you_mean(each.key, planner.known)}" for each in strange]
        raise_all([f"sweep.recipes: {each}" for each in wrong])
        recipes.append([each for each in parsed if each.key not in given])
    return [each for number, each in enumerate(recipes) if each and each not in recipes[:number]]


def expand(
    planner: Planner,
    own: Sequence[Override],
    grid: Sequence[Override],
    recipes: Sequence[Sequence[Override]],
    sweep: Mapping[str, Any],
) -> list[SweepJob]:
    """Return the jobs that the settings of a sweep ask for; none where a search makes them.

    Raises:
        RunnerError: settings that exclude each other.
    """
    for other in ("search", "train_once", "recipes"):
        if sweep["teacher"] and sweep[other]:
            raise RunnerError(f"sweep.teacher and sweep.{other} exclude each other; take one of them back.")
    if sweep["search"]:
        return []
    if sweep["teacher"]:
        return taught(planner, [*own, *grid], sweep["teacher"])
    if not (sweep["train_once"] or sweep["recipes"]):
        return combined(planner, [*own, *grid])
    # Whoever names methods compares these, in place of the preset's, and none of them needs a training of its own.
    named = [each for each in own if each.sweeps and each.key in methods.GROUPS]
    shared: list[Sequence[Override]] = list(product(named, planner)) if named else list(recipes)
    if grid:
        shared = [[*one, *other] for one in shared or [[]] for other in product(grid, planner)]
    return combined(planner, [each for each in own if each not in named], shared)


def naming(whole: Sequence[Override], own: Sequence[Override], sweep: Mapping[str, Any]) -> list[Override]:
    """Return the overrides that name a sweep: of one whose grid shares a training only what the grid does not say."""
    if sweep["teacher"]:
        return [each for each in own if section(each) != "distillation"]
    return list(own if sweep["train_once"] else whole)


def first_values(parsed: Sequence[Override], planner: Planner) -> list[Override]:
    """Return one run of the sweep, for settings that are the same in all of them.

    Nothing where that run has mistakes.
    """
    singles = [overrides.single_values(each, planner.known)[:1] if each.sweeps else [each] for each in parsed]
    first = list(itertools.chain.from_iterable(singles))
    return [] if planner.composer.compose(first)[1] else first


def unsweepable(parsed: Sequence[Override]) -> list[str]:
    """Return messages for several values where one is needed.

    And for settings of Hydra's that have another name here.
    """
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
    """Return the first part of its key."""
    return override.key.partition(".")[0]
