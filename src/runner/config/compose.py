"""From a command line to one checked configuration; every mistake in it is reported at once."""

import pickle
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config import catalog, content, methods, overrides, plugins, resolvers, rules, schema
from runner.config.catalog import Known
from runner.config.overrides import Override
from runner.config.resolvers import resolve, with_text_keys
from runner.config.rules import REFUSALS, refusal
from runner.errors import RunnerError, join_errors
from runner.tracking.identity import AROUND_RUNS

# Sections that a run can do without; `scheduler=[]` and `~scheduler` leave them empty.
OPTIONAL = ("scheduler", "augmentation", "callbacks", "logger")
# So many of Hydra's compositions are kept, those that were asked for last: a sweep may have any number of choices.
# Each is a quarter of a second's work and 30 KB.
KEPT = 256


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

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The resolved configuration as plain containers; resolving takes time, so it is done once."""
        values: Any = OmegaConf.to_container(self.config, resolve=True)
        return dict(values)


def compose(texts: Sequence[str], config_dir: str | None = None, *, to_run: bool = True) -> Composed:
    """Compose and check one run.

    Args:
        to_run: read the user's own files as well, whose content is part of what a run is.

    Raises:
        RunnerError: with all mistakes of the command line, each with the nearest right name.
    """
    composer = Composer(catalog.config_directories(config_dir), to_run=to_run)
    parsed, mistakes = overrides.parse(texts)
    mistakes += [f"{each.text}: several values are a sweep; add -m." for each in parsed if each.sweeps]
    composed, found = composer.compose([each for each in parsed if not each.sweeps])
    raise_all([*mistakes, *found])
    assert composed is not None  # there would be a mistake
    if several := [each.text for each in parsed if each.key == "sweep" and each.value != "default"]:
        raise RunnerError(f"{several[0]} is many runs: add -m.")
    if composed.compression.get("goal"):
        raise RunnerError("compression.goal chooses among the recipes of a sweep: add -m sweep=compression.")
    return composed


def check_sweep(texts: Sequence[str], directories: Sequence[Path]) -> None:
    """Raise RunnerError with the mistakes of a sweep: all first values together, then every other value by itself."""
    composer = Composer(directories)
    parsed, mistakes = overrides.parse(texts)
    for variant in overrides.variants(parsed, composer.known):
        mistakes += composer.compose(variant)[1]
    raise_all(mistakes)


def raise_all(mistakes: Sequence[str]) -> None:
    """Raise one RunnerError for all mistakes; do nothing where there are none."""
    if mistakes:
        raise join_errors(list(dict.fromkeys(mistakes)))


class Composer:
    """The one way from overrides to a configuration, for a single run as for every job of a sweep.

    Hydra composes the choices, which decide the defaults list, and Hydra's own code then applies the keys. What it
    composes of the same choices in the same files is kept, for all composers of a process: most jobs of a sweep have
    their choices in common with the one before.
    """

    def __init__(self, directories: Sequence[Path], *, to_run: bool = True) -> None:
        resolvers.register()
        self.directories = list(directories)
        if self.directories[1:]:
            from runner.config.growth import refuse_large_files

            refuse_large_files(self.directories[1:])
        self.known = catalog.choices(directories)
        self._files = catalog.fingerprint(directories)
        self._content = content.remembering() if to_run else lambda *places: None

    def compose(self, parsed: Sequence[Override]) -> tuple[Composed | None, list[str]]:
        """Return the configuration that these overrides of one run make, and what is wrong with it or with them.

        Hydra stops at the first mistake, so every override is looked at by itself before Hydra gets it.
        """
        composed, messages = self.apply(parsed)
        if composed is None:
            return None, messages
        try:
            self.stamp(composed)
            return composed, messages + check(composed, self.known)
        except REFUSALS as error:
            return None, messages or [refusal(error, self.known)]

    def apply(self, parsed: Sequence[Override]) -> tuple[Composed | None, list[str]]:
        """Return what `compose` does, without a look at whether the configuration can run."""
        messages: list[str] = []
        try:
            return split(self.merge(parsed, messages), [each.text for each in parsed]), messages
        except REFUSALS as error:
            return None, messages or [refusal(error, self.known)]

    def merge(self, parsed: Sequence[Override], messages: list[str]) -> DictConfig:
        """Return the configuration with Hydra's node, which Hydra knows by then; mistakes go to `messages`."""
        choices = [each for each in parsed if overrides.is_choice(each, self.known)]
        keys = [each for each in parsed if not overrides.is_choice(each, self.known)]
        mistakes = {each.text: overrides.choice_mistakes(each, self.known) for each in choices}
        messages += [message for each in mistakes.values() for message in each]
        whole = self.choose(tuple(each.text for each in choices if not mistakes[each.text]))
        names = overrides.KeyNames(whole, self.known)
        for each in keys:
            if found := overrides.key_mistakes(each, names):
                messages += found
            else:
                ConfigLoaderImpl._apply_overrides_to_config([each.parsed], whole)
                names.changed()
        overrides.record(whole, parsed)
        HydraConfig.instance().set_config(whole)
        return whole

    def stamp(self, composed: Composed) -> None:
        """Note what the files of the data hold, of which each is read once."""
        content.stamp(composed.config, self._content)

    def choose(self, texts: tuple[str, ...]) -> DictConfig:
        """Return a new copy of Hydra's composition of choices, its own node included."""
        whole: DictConfig = pickle.loads(composition(tuple(self.directories), texts, self._files))
        with flag_override(whole, ["readonly", "struct"], False):
            whole.hydra.runtime.cwd = str(Path.cwd())
        return whole


class ParsedFiles(ConfigRepository):
    """Hydra's repository of configuration files, each of which is read and parsed once as long as none changes."""

    parsed: ClassVar[dict[tuple[str, ...], bytes]] = {}
    fingerprint = ""

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return what the file holds, for the caller to change."""
        key = (self.fingerprint, *(source.path for source in self.sources), config_path)
        if key not in self.parsed:
            if any(each[0] != self.fingerprint for each in self.parsed):
                self.parsed.clear()
            self.parsed[key] = pickle.dumps(super().load_config(config_path))
        found: ConfigResult | None = pickle.loads(self.parsed[key])
        return found


@lru_cache(KEPT)
def composition(directories: tuple[Path, ...], texts: tuple[str, ...], fingerprint: str) -> bytes:
    """Return Hydra's composition of choices, pickled; directories behind the first add choices.

    Args:
        fingerprint: that of the directories, so that it is composed anew once a file in them changes.
    """
    with initialize_config_dir(str(directories[0]), version_base="1.3"):
        loader: Any = GlobalHydra.instance().config_loader()
        loader.repository = ParsedFiles(loader.get_search_path())
        loader.repository.fingerprint = fingerprint
        found = hydra_compose("config", [*search_path(directories), *texts], return_hydra_config=True)
    if directories[1:]:
        from runner.config.growth import refuse_growth

        refuse_growth(found)
    return pickle.dumps(found)


def search_path(directories: Sequence[Path]) -> list[str]:
    """Return the override that tells Hydra of the directories beside the first; none where there are none."""
    extra = ",".join(f"'file://{directory}'" for directory in directories[1:])
    return [f"hydra.searchpath=[{extra}]"] if extra else []


def split(whole: DictConfig, texts: Sequence[str]) -> Composed:
    """Take Hydra's node off and freeze what it knows: the choices, the run directory, and what reads its node."""
    chosen = {
        group: str(choice)
        for group, choice in whole.hydra.runtime.choices.items()
        if choice is not None
        and not group.startswith("hydra/")
        and group not in AROUND_RUNS
        and not str(choice).startswith("_")  # follows from other choices
    }
    places = Path(whole.hydra.run.dir), Path(whole.hydra.sweep.dir)
    resolvers.freeze(whole)
    around: dict[str, Any] = {}
    with open_dict(whole):
        del whole["hydra"]
        for section in AROUND_RUNS:
            around[section] = OmegaConf.to_container(whole.pop(section, None) or OmegaConf.create())
        for section in OPTIONAL:
            whole.setdefault(section, None)
    return Composed(whole, chosen, list(texts), *places, **around)


def check(composed: Composed, known: Known) -> list[str]:
    """Return all messages about a configuration that composes but cannot run."""
    return check_resolved(resolve_quickly(composed), composed, known)


def check_resolved(
    resolved: tuple[dict[str, Any], list[str], list[str]], composed: Composed, known: Known, good: Collection[int] = ()
) -> list[str]:
    """Return what `check` does.

    Args:
        resolved: what `resolve` returned of the configuration.
        composed: what was chosen, and the sections around the run.
        good: ids of sections of a configuration without mistakes, whose values need no second look.
    """
    config, told, unresolved = resolved
    unknown = list(rules.unknown_keys(config, known))
    if incomplete := list(rules.check_sections(config)):
        return [*incomplete, *unknown]
    asked = config["runner"].get("plugins")
    strange = plugins.refusals(asked) if isinstance(asked, list) else []
    if strange:  # nothing of theirs is imported to look at their settings
        config = {**config, "runner": {**config["runner"], "plugins": []}}
    whole = {**config, **{section: getattr(composed, section) for section in AROUND_RUNS}}
    messages = [
        *unknown,
        *strange,
        *schema.check_types(whole, good),
        *rules.check_numbers(whole, good),
        *rules.check_stages(config),
        *rules.check_loggers(config),
        *methods.check_methods(config, composed.chosen),
        *told,
    ]
    misfits = [
        *rules.check_pair(config, composed.chosen, known),
        *rules.check_task(config, composed.chosen, known),
        *rules.check_sampling(config, composed.chosen),
        *rules.check_balance(config, composed.chosen),
        *rules.check_augmentation(config, composed.chosen),
    ]
    # A network that does not fit the data cannot read what it needs from it: one message is enough.
    misfits = misfits or unresolved
    others = {key: value for key, value in config.items() if id(value) not in good}
    known_targets = [] if strange else plugins.check_targets(others, plugins.usable(config["runner"]["plugins"]))
    return [*messages, *misfits, *known_targets]


def resolve_quickly(composed: Composed) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return what `resolve` does; value by value only where something is missing or does not resolve."""
    try:
        values = composed.plain
    except OmegaConfBaseException:
        return resolve(composed.config)
    return resolve(composed.config) if "???" in repr(values) else (with_text_keys(values), [], [])
