"""The overrides of a command line, one by one: are the group, the choice and the key known?"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, OverrideType, Sweep, ValueType
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from runner.config.catalog import Known
from runner.errors import did_you_mean

# What `plain` reads, in ASCII as in Hydra's grammar; names that are words of the grammar, it leaves to Hydra.
NUMBER = r"-?(?:0|[1-9]\d*)"
PLAIN = re.compile(
    r"(\+{0,2})([A-Za-z_]\w*(?:(?:\.[A-Za-z_]\w*)*|(?:/[A-Za-z_]\w*)*))="
    rf"(?:([A-Za-z_]\w*)|({NUMBER})|({NUMBER}(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)))",
    re.ASCII,
)
MARKS = {"": OverrideType.CHANGE, "+": OverrideType.ADD, "++": OverrideType.FORCE_ADD}
WORDS = ("true", "false", "null", "nan", "inf")
# Of the keys that there are not, for so many the nearest that there are is looked for: nobody reads thousands.
HINTS = 50


@dataclass(frozen=True)
class Override:
    """One `key=value` of the command line, as Hydra's grammar reads it.

    Attributes:
        mark: what stands before the key: nothing, `+`, `++` or `~`.
        value: the value, or for a sweep what Hydra makes of it.
        parsed: what Hydra makes of the text.
    """

    text: str
    mark: str
    key: str
    value: Any = field(hash=False)
    parsed: HydraOverride = field(compare=False, repr=False)
    sweeps: bool = False

    @property
    def values(self) -> tuple[Any, ...]:
        """A list of choices one by one."""
        return tuple(self.value) if isinstance(self.value, list) else (self.value,)


def parse(texts: Sequence[str]) -> tuple[list[Override], list[str]]:
    """Return every override that follows Hydra's grammar, and a message for each that does not."""
    parser = OverridesParser.create()
    parsed, mistakes = [], []
    for text in texts:
        if "=" not in text and not text.startswith("~"):
            mistakes.append(f"{text}: neither a command nor key=value.")
        elif text.startswith("="):
            mistakes.append(f"{text}: the key before = is missing.")
        else:
            try:
                found = plain(text) or parser.parse_override(text)
                if isinstance(found._value, ChoiceSweep) and any(isinstance(e, Sweep) for e in found._value.list):
                    mistakes.append(f"{text}: a range among other values; name the values one by one.")
                else:
                    parsed.append(understand(text, found))
            except HydraException:
                mistakes.append(f"{text}: not understood. Quote a value with special characters: 'key=\"a (b)\"'.")
    return parsed, mistakes


def plain(text: str) -> HydraOverride | None:
    """Return what Hydra's parser makes of `key=value` or `+key=value` with a usual number or name, else None.

    The parser takes a fifth of a millisecond, and a sweep has thousands of these.
    """
    if (found := PLAIN.fullmatch(text)) is None:
        return None
    mark, key, name, whole, number = found.groups()
    if name is not None and name.lower() in WORDS:
        return None
    value: Any = int(whole) if whole is not None else float(number) if number is not None else name
    return HydraOverride(MARKS[mark], key, ValueType.ELEMENT, value, input_line=text)


def understand(text: str, override: HydraOverride) -> Override:
    """Return the parts of an override that the checks look at."""
    mark = text[: len(text) - len(text.lstrip("+~"))]
    key = override.key_or_group + (f"@{override.package}" if override.package else "")
    if override.is_sweep_override():
        return Override(text, mark, key, override, override, sweeps=True)
    return Override(text, mark, key, override.value(), override)


def single_values(override: Override, known: Known) -> list[Override]:
    """Return a sweep's values one by one; none of an interval, whose values only its sweeper knows."""
    sweep = override.value
    if isinstance(sweep._value, Glob):
        values = sweep._value.filter(list(known.get(override.key, ())))
    elif sweep.is_discrete_sweep():
        values = list(sweep.sweep_string_iterator())
    else:
        return []
    return parse([f"{override.mark}{override.key}={value}" for value in values])[0]


def variants(parsed: Sequence[Override], known: Known) -> Iterator[list[Override]]:
    """Yield the overrides of single runs in which every value of a sweep occurs.

    First values together, others alone.
    """
    options = [single_values(each, known) if each.sweeps else [each] for each in parsed]
    options = [each for each in options if each]
    yield [each[0] for each in options]
    for place, values in enumerate(options):
        for value in values[1:]:
            yield [value if index == place else each[0] for index, each in enumerate(options)]


def is_choice(override: Override, known: Known) -> bool:
    """Return whether an override decides the list of files that Hydra composes, rather than a key of the result."""
    group = override.parsed.key_or_group
    return group in known or group == "hydra.searchpath" or group.startswith("hydra/")


def choice_mistakes(override: Override, known: Known) -> list[str]:
    """Return a message for each choice that its group does not have."""
    group = override.parsed.key_or_group
    if group not in known:  # Hydra's own
        return []
    choices = known[group]
    if override.value is None and override.mark != "~":
        return [f"{override.text}: choose one (python -m runner list {group}), or none at all with {group}=[]."]
    twice = [value for value, count in Counter(map(str, override.values)).items() if count > 1]
    return [f"{override.text}: names {value} twice. Name it once." for value in twice] + [
        f"{group}={value}: there is no such choice.{did_you_mean(str(value), choices)} "
        f"See: python -m runner list {group}"
        for value in override.values
        if value is not None and str(value) not in choices
    ]


class KeyNames:
    """The keys of a configuration while overrides are applied to it, for messages about keys that it does not have."""

    def __init__(self, config: DictConfig, known: Known) -> None:
        self.config, self.known = config, known
        self.hints = HINTS
        self._keys: list[str] | None = None

    def changed(self) -> None:
        """Note that an override was applied."""
        self._keys = None

    def absence(self, key: str) -> str:
        """Return the message about a key that is not there."""
        what = "key" if "." in key else "group or key"
        self.hints -= 1
        if self.hints < 0:
            return f"{key}: there is no such {what}."
        if self._keys is None:
            self._keys = flat_keys(self.config)
        own = key.startswith("hydra.")
        here = (name for name in self._keys if name.startswith("hydra.") == own and name != "hydra")
        message = f"{key}: there is no such {what}.{did_you_mean(key, dict.fromkeys([*here, *self.known]))}"
        if "." not in key:
            return message
        section = key.rsplit(".", 1)[0]
        below = [name[len(section) + 1 :] for name in self._keys if name.startswith(f"{section}.")]
        listing = [name for name in below if "." not in name]
        return f"{message} Keys of {section}: {', '.join(listing)}." if listing else message


def key_mistakes(override: Override, names: KeyNames) -> list[str]:
    """Return a message when the composed configuration has no such key; `+key=` adds one that is not there yet."""
    if has_key(names.config, override.key):
        there = override.mark == "+" and not isinstance(override.value, (dict, list))
        return [f"{override.text}: the key is there already; write it without +."] if there else []
    return [] if override.mark in ("+", "++") else [names.absence(override.key)]


def has_key(config: DictConfig, key: str) -> bool:
    """Return whether `flat_keys` has the key; looks along its path only, for a sweep asks this of every run."""
    name, _, rest = key.partition(".")
    if not rest or not is_among(name, config):
        return is_among(key, config)
    if OmegaConf.is_missing(config, name) or OmegaConf.is_interpolation(config, name):
        return False
    child = config[name]
    if isinstance(child, ListConfig) and not child._is_none():
        return rest in map(str, range(len(child)))
    return isinstance(child, DictConfig) and not child._is_none() and has_key(child, rest)


def is_among(name: str, config: DictConfig) -> bool:
    """Return whether a section has a key of this name; keys that are no text, for which it looks at all, look like it.

    A look at all keys for each of thousands of overrides takes seconds.
    """
    keys = config.__dict__["_content"]
    return name in keys or ((not name.isidentifier() or name in ("True", "False")) and name in map(str, keys))


def flat_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """Return all dotted keys of a configuration, sections included, without resolving anything."""
    keys = []
    for name in map(str, config):
        key = f"{prefix}{name}"
        keys.append(key)
        if OmegaConf.is_missing(config, name) or OmegaConf.is_interpolation(config, name):
            continue
        child = config[name]
        if isinstance(child, DictConfig) and child is not None and not child._is_none():
            keys += flat_keys(child, f"{key}.")
        elif isinstance(child, ListConfig) and not child._is_none():
            keys += [f"{key}.{index}" for index in range(len(child))]
    return keys


def record(whole: DictConfig, parsed: Sequence[Override]) -> None:
    """Note in Hydra's node what Hydra notes there of a command line, once all overrides are applied."""
    hydra = whole.hydra
    given = [each.parsed for each in parsed]
    own = [each for each in given if each.is_hydra_override()]
    task = [each for each in given if not each.is_hydra_override()]
    listed = [text for text in hydra.overrides.hydra if text.startswith("hydra.searchpath=")][:1]
    hydra.overrides.hydra = [*listed, *(each.input_line for each in own if each.input_line not in listed)]
    hydra.overrides.task = [each.input_line for each in task]
    with open_dict(hydra):
        for name in hydra.job.env_copy:
            hydra.job.env_set[name] = os.environ[name]
    settings = hydra.job.config.override_dirname
    hydra.job.override_dirname = get_overrides_dirname(
        overrides=task, kv_sep=settings.kv_sep, item_sep=settings.item_sep, exclude_keys=settings.exclude_keys
    )
