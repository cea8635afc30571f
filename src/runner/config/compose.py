"""From a command line to one checked configuration; every mistake in it is reported at once."""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config import catalog, methods, overrides, resolvers, rules, schema
from runner.config.catalog import Known
from runner.config.overrides import Override
from runner.config.resolve import resolve
from runner.errors import RunnerError, did_you_mean, join_errors
from runner.tracking.identity import AROUND_RUNS

# What a user's YAML can bring Hydra and OmegaConf to raise.
REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError)
# Sections that a run can do without; `scheduler=[]` and `~scheduler` leave them empty.
OPTIONAL = ("scheduler", "augmentation", "callbacks", "logger")


@dataclass(frozen=True)
class Composed:
    """A checked configuration, and where Hydra's settings want the run directory.

    Attributes:
        chosen: configuration group to the file chosen of it.
        sweep, launcher, compression: the sections of that name, plain.
    """

    config: DictConfig
    chosen: dict[str, str]
    overrides: list[str]
    run_directory: Path
    sweep_directory: Path
    sweep: dict[str, Any] = field(default_factory=dict)
    launcher: dict[str, Any] = field(default_factory=dict)
    compression: dict[str, Any] = field(default_factory=dict)


def compose(texts: Sequence[str], config_dir: str | None = None) -> Composed:
    """Composes and checks one run.

    Raises:
        RunnerError: with all mistakes of the command line, each with the nearest right name.
    """
    resolvers.register()
    directories = catalog.config_directories(config_dir)
    known = catalog.choices(directories)
    parsed, mistakes = overrides.parse(texts)
    mistakes += [f"{each.text}: several values are a sweep; add -m." for each in parsed if each.sweeps]
    mistakes += examine([each for each in parsed if not each.sweeps], known, composer(directories))[1]
    raise_all(mistakes)
    try:
        composed = split(hydra_config(directories, texts), texts)
    except REFUSALS as error:
        raise RunnerError(refusal(error, known)) from None
    if several := [each.text for each in parsed if each.key == "sweep" and each.value != "default"]:
        raise RunnerError(f"{several[0]} is many runs: add -m.")
    if composed.compression.get("goal"):
        raise RunnerError("compression.goal chooses among the recipes of a sweep: add -m sweep=compression.")
    return composed


def check_sweep(texts: Sequence[str], directories: Sequence[Path]) -> None:
    """Raises RunnerError with the mistakes of a sweep: all first values together, then every other value by itself."""
    known = catalog.choices(directories)
    parsed, mistakes = overrides.parse(texts)
    make = composer(directories)
    for variant in overrides.variants(parsed, known):
        mistakes += examine(variant, known, make)[1]
    raise_all(mistakes)


def composer(directories: Sequence[Path]) -> Callable[[tuple[str, ...]], DictConfig]:
    """A function from choices to what Hydra composes of them, which composes the same choices once."""
    return cache(lambda texts: hydra_config(directories, texts))


def raise_all(mistakes: Sequence[str]) -> None:
    """Raises one RunnerError for all mistakes; does nothing where there are none."""
    if mistakes:
        raise join_errors(list(dict.fromkeys(mistakes)))


def examine(
    parsed: Sequence[Override], known: Known, make: Callable[[tuple[str, ...]], DictConfig]
) -> tuple[Composed | None, list[str]]:
    """The configuration that these overrides of one run make, and what is wrong with it or with them.

    Hydra stops at the first mistake. So it composes the choices only, and the keys are looked at one by one. That also
    makes the next configuration of a sweep cheap: it has most choices in common with the one before.
    """
    choices = [each for each in parsed if each.key in known]
    messages = [message for each in choices for message in overrides.choice_mistakes(each, known)]
    good = [each for each in choices if not overrides.choice_mistakes(each, known)]
    try:
        whole = copy.deepcopy(make(tuple(each.text for each in good)))
        HydraConfig.instance().set_config(whole)
        OmegaConf.set_readonly(whole.hydra, False)
        keys = [each for each in parsed if each.key not in known]
        for each in keys:
            if wrong := overrides.key_mistakes(each, known, whole):
                messages += wrong
            else:
                overrides.apply(each, whole)
        composed = split(whole, [each.text for each in parsed])
        return composed, messages + check(composed, known)
    except REFUSALS as error:
        return None, messages or [refusal(error, known)]


def hydra_config(directories: Sequence[Path], texts: Sequence[str]) -> DictConfig:
    """Hydra's composition, its own node included; other directories than the first only add choices."""
    with initialize_config_dir(str(directories[0]), version_base="1.3"):
        config = hydra_compose("config", [*search_path(directories), *texts], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def search_path(directories: Sequence[Path]) -> list[str]:
    """The override that tells Hydra of the directories beside the first; none where there are none."""
    extra = ",".join(f"'file://{directory}'" for directory in directories[1:])
    return [f"hydra.searchpath=[{extra}]"] if extra else []


def split(whole: DictConfig, texts: Sequence[str]) -> Composed:
    """Takes Hydra's node off and freezes what it knows: the choices and the run directory."""
    chosen = {
        group: str(choice)
        for group, choice in whole.hydra.runtime.choices.items()
        if choice is not None and not group.startswith("hydra/") and group not in AROUND_RUNS
    }
    places = Path(whole.hydra.run.dir), Path(whole.hydra.sweep.dir)
    whole.name = whole.name
    around: dict[str, Any] = {}
    with open_dict(whole):
        del whole["hydra"]
        for section in AROUND_RUNS:
            around[section] = OmegaConf.to_container(whole.pop(section, None) or OmegaConf.create())
        for section in OPTIONAL:
            whole.setdefault(section, None)
    return Composed(whole, chosen, list(texts), *places, **around)


def check(composed: Composed, known: Known) -> list[str]:
    """All messages about a configuration that composes but cannot run."""
    config, told, unresolved = resolve(composed.config)
    unknown = list(rules.unknown_keys(config, known))
    if incomplete := list(rules.check_sections(config)):
        return [*incomplete, *unknown]
    messages = [
        *unknown,
        *schema.check_types({**config, **{section: getattr(composed, section) for section in AROUND_RUNS}}),
        *rules.check_stages(config),
        *methods.check_methods(config, composed.chosen),
        *told,
    ]
    misfits = [
        *rules.check_pair(config, composed.chosen, known),
        *rules.check_task(config, composed.chosen),
        *rules.check_sampling(config, composed.chosen),
    ]
    # A network that does not fit the data cannot read what it needs from it: one message is enough.
    misfits = misfits or unresolved
    return [*messages, *misfits, *rules.check_targets(config, config["runner"]["plugins"] or [])]


def refusal(error: Exception, known: Known) -> str:
    """Hydra's or OmegaConf's complaint about a configuration, with the way out where we know it."""
    text = " ".join(str(error).split("\nAvailable options")[0].split()) or type(error).__name__
    if twice := re.search(r"Multiple values for ([\w/]+)", text):
        group = twice.group(1)
        return f"{group} is chosen already: write {group}=… without +."
    if listed := re.search(r"Could not delete '([\w/]+)'\. No match", text):
        return f"~{listed.group(1)}: nothing is chosen there by that name; {listed.group(1)}=[] leaves all of it out."
    if absent := re.search(r"Could not find '([\w/]+)/([^/']+)'", text):
        group, name = absent.groups()
        return f"{text}.{did_you_mean(name, known.get(group, ()))} See: python -m runner list {group}"
    text = re.sub(r" ?(To append to your config use|Either remove) .*", "", text)
    return f"The configuration does not compose: {text}"
