"""The overrides of a command line, one by one: are the group, the choice and the key known?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf

from runner.config.catalog import Known
from runner.errors import did_you_mean


@dataclass(frozen=True)
class Override:
    """One `key=value` of the command line, as Hydra's grammar reads it; a sweep has several values."""

    text: str
    key: str
    values: tuple[Any, ...]
    adds: bool


def parse(overrides: Sequence[str]) -> tuple[list[Override], list[str]]:
    """Every override that follows Hydra's grammar, and a message for each that does not."""
    parser = OverridesParser.create()
    parsed, mistakes = [], []
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            mistakes.append(f"{text}: neither a command nor key=value.")
            continue
        try:
            parsed.append(understand(text, parser.parse_override(text)))
        except HydraException:
            mistakes.append(f"{text}: not understood. Quote a value with special characters: 'key=\"a (b)\"'.")
    return parsed, mistakes


def understand(text: str, override: HydraOverride) -> Override:
    """The parts of an override that the checks look at."""
    value: Any = None
    if override.is_choice_sweep():
        value = list(override.sweep_string_iterator())
    elif not override.is_sweep_override() and not override.is_delete():
        value = override.value()
    values = tuple(value) if isinstance(value, list) else (value,)
    return Override(text, override.key_or_group, values, override.is_add() or override.is_force_add())


def is_hydra(override: Override) -> bool:
    """Whether Hydra's own settings are meant, which Hydra checks itself."""
    return override.key.split(".")[0].split("/")[0] == "hydra"


def choice_mistakes(override: Override, known: Known) -> list[str]:
    """A message for each choice that its group does not have."""
    group, choices = override.key, known[override.key]
    return [
        f"{group}={value}: there is no such choice.{did_you_mean(str(value), choices)} "
        f"See: python -m runner list {group}"
        for value in override.values
        if value not in choices and value is not None
    ]


def key_mistakes(override: Override, known: Known, base: DictConfig) -> list[str]:
    """A message when the composed configuration has no such key; `+key=` adds one to an existing section."""
    keys = list(flat_keys(base))
    if override.adds or override.key in keys:
        return []
    names = dict.fromkeys([*keys, *known])
    if "." in override.key:
        section = override.key.rsplit(".", 1)[0]
        here = [key for key in keys if key.startswith(f"{section}.") and "." not in key[len(section) + 1 :]]
        listing = f" Keys of {section}: {', '.join(key[len(section) + 1 :] for key in here)}." if here else ""
        return [f"{override.key}: there is no such key.{did_you_mean(override.key, names)}{listing}"]
    return [f"{override.key}: there is no such group or key.{did_you_mean(override.key, names)}"]


def flat_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """All dotted keys of a configuration, sections included, without resolving anything."""
    keys = []
    for name in map(str, config):
        key = f"{prefix}{name}"
        keys.append(key)
        if OmegaConf.is_missing(config, name) or OmegaConf.is_interpolation(config, name):
            continue
        child = config[name]
        if isinstance(child, DictConfig) and child is not None and not child._is_none():
            keys += flat_keys(child, f"{key}.")
        elif isinstance(child, ListConfig):
            keys += [f"{key}.{index}" for index in range(len(child))]
    return keys
