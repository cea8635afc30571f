"""From a command line to one checked configuration; every mistake in it is reported at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from runner.config import catalog, resolvers, rules, schema
from runner.config.catalog import Known
from runner.config.overrides import Override, choice_mistakes, is_hydra, key_mistakes, parse
from runner.errors import RunnerError, join_errors


@dataclass(frozen=True)
class Composed:
    """A checked configuration, and where Hydra's settings want the run directory."""

    config: DictConfig
    chosen: dict[str, str]
    overrides: list[str]
    run_directory: Path


def compose(overrides: Sequence[str], config_dir: str | None = None) -> Composed:
    """Composes and checks one run.

    Raises:
        RunnerError: with all mistakes of the command line, each with the nearest right name.
    """
    resolvers.register()
    directories = catalog.config_directories(config_dir)
    known = catalog.choices(directories)
    parsed, mistakes = parse(overrides)
    mistakes += [each for override in parsed if override.key in known for each in choice_mistakes(override, known)]
    refusal = "The configuration does not compose."
    if not mistakes:
        try:
            composed = split(hydra_config(directories, overrides), overrides)
        except (HydraException, OmegaConfBaseException) as error:
            refusal = str(error).splitlines()[0]
        else:
            if mistakes := check(composed, known):
                raise join_errors(mistakes)
            return composed
    mistakes += further_mistakes(parsed, directories, known)
    raise join_errors(list(dict.fromkeys(mistakes)) or [refusal])


def further_mistakes(parsed: Sequence[Override], directories: Sequence[Path], known: Known) -> list[str]:
    """What else is wrong, found by composing without the overrides that are wrong in themselves."""
    groups = [each for each in parsed if each.key in known and not choice_mistakes(each, known)]
    keys = [each for each in parsed if each.key not in known and not is_hydra(each)]
    messages: list[str] = []
    try:
        base = split(hydra_config(directories, [each.text for each in groups]), []).config
        sound = [each for each in keys if not key_mistakes(each, known, base)]
        messages = [message for each in keys for message in key_mistakes(each, known, base)]
        good = [each.text for each in (*groups, *sound)]
        return messages + check(split(hydra_config(directories, good), good), known)
    except (HydraException, OmegaConfBaseException):
        return messages


def check_sweep(overrides: Sequence[str], directories: Sequence[Path]) -> None:
    """Raises RunnerError with every unknown group, choice and key of a sweep's overrides."""
    known = catalog.choices(directories)
    parsed, mistakes = parse(overrides)
    for each in parsed:
        if each.key in known:
            mistakes += choice_mistakes(each, known)
        elif not is_hydra(each) and "." not in each.key:
            base = split(hydra_config(directories, []), []).config
            mistakes += key_mistakes(each, known, base)
    if mistakes:
        raise join_errors(mistakes)


def hydra_config(directories: Sequence[Path], overrides: Sequence[str]) -> DictConfig:
    """Hydra's composition, its own node included; other directories than the first only add choices."""
    extra = [f"file://{directory}" for directory in directories[1:]]
    search = [f"hydra.searchpath=[{','.join(extra)}]"] if extra else []
    with initialize_config_dir(str(directories[0]), version_base="1.3"):
        config = hydra_compose("config", [*search, *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def split(whole: DictConfig, overrides: Sequence[str]) -> Composed:
    """Takes Hydra's node off and freezes what it knows: the choices and the run directory."""
    chosen = {
        group: str(choice)
        for group, choice in whole.hydra.runtime.choices.items()
        if choice is not None and not group.startswith("hydra/")
    }
    run_directory = Path(whole.hydra.run.dir)
    whole.name = whole.name
    with open_dict(whole):
        del whole["hydra"]
    return Composed(whole, chosen, list(overrides), run_directory)


def check(composed: Composed, known: Known) -> list[str]:
    """All messages about a configuration that composes but cannot run."""
    config, unresolved = resolve(composed.config)
    messages = [*schema.check_types(config), *unknown_keys(config), *rules.check_stages(config)]
    misfits = [*rules.check_pair(config, composed.chosen, known), *rules.check_task(config, composed.chosen)]
    targets = list(rules.check_targets(config, config["runner"]["plugins"] or []))
    # A network that does not fit the data cannot read what it needs from it: one message is enough.
    return list(dict.fromkeys([*messages, *(misfits or unresolved), *targets]))


def resolve(config: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """The configuration as plain containers; what is missing or does not resolve is null and has a message."""
    messages: list[str] = []

    def plain(node: Any, prefix: str) -> Any:
        keys = list(node) if isinstance(node, DictConfig) else range(len(node))
        values = {str(key): value(node, key, f"{prefix}{key}") for key in keys}
        return values if isinstance(node, DictConfig) else list(values.values())

    def value(node: Any, key: Any, place: str) -> Any:
        try:
            if OmegaConf.is_missing(node, key):
                messages.append(f"{place}=??? is mandatory: add {place}=… to the command.")
                return None
            child = node[key]
        except InterpolationToMissingValueError:
            return None  # the missing value has a message of its own
        except OmegaConfBaseException as error:
            messages.append(reason(place, error))
            return None
        return plain(child, f"{place}.") if OmegaConf.is_config(child) else child

    return plain(config, ""), messages


def reason(place: str, error: OmegaConfBaseException) -> str:
    """The message for an interpolation that leads nowhere; a RunnerError raised inside it speaks for itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RunnerError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return f"{place}: {str(error).splitlines()[0]}. The chosen data does not declare what {place} reads."


def unknown_keys(config: dict[str, Any]) -> list[str]:
    """Top-level keys that nothing reads; an experiment file can bring them in unnoticed."""
    known = {*schema.Run.__dataclass_fields__, *catalog.choices([catalog.own_config_directory()])}
    known |= {"cross_validation", "expected", "runner"}
    return [f"{key}: no such key; known: {', '.join(sorted(known))}." for key in config if key not in known]
