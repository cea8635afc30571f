"""The configuration in a run directory, judged like a command line: whoever wrote it may have been anybody."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config import plugins, resolvers, rules, schema
from runner.config.resolvers import resolve
from runner.errors import RunnerError
from runner.files.text import one_line
from runner.tracking import layout
from runner.tracking.identity import flatten
from runner.tracking.run_directory import HERE, RunDirectory

# What every reader of a recorded configuration relies on; versions that wrote less are too old.
NEEDED = ("seed", "name", "stages", "checkpoint", "runner.plugins")
# Sections whose objects write files, and how the keys are called that say where.
WRITING = ("callbacks", "logger", "trainer")
# Sections and keys that name files of the user's.
READING = ("data", "checkpoint", "distillation")
PLACES = ("dir", "directory", "path", "_args_")
WAY_OUT = "Start a run of your own from its weights instead: checkpoint="


@contextmanager
def recorded_config(record: RunDirectory, typed: Iterable[str] = ()) -> Iterator[DictConfig]:
    """Give the configuration of a run directory, for as long as something is made of it.

    Args:
        typed: keys that the person's own command line sets, which may say what they like.

    Raises:
        RunnerError: there is none, it is damaged or of another version, or it asks for what only a person may.
    """
    resolvers.register()
    config = record.config()
    refuse_mistakes(config, record, typed)
    try:
        yield config
    except OmegaConfBaseException as error:
        raise RunnerError(
            f"{record.path / layout.CONFIG}: damaged, or of another version ({first_line(error)}). "
            f"{WAY_OUT}{record.path}"
        ) from None


def refuse_mistakes(config: DictConfig, record: RunDirectory, typed: Iterable[str] = ()) -> None:
    """Raise RunnerError with everything that is wrong with a recorded configuration."""
    with resolvers.run_directory(None):  # which may be another run's, that learns from this one
        plain, *unresolved = resolve(config)
    messages = [each for told in unresolved for each in told] or [*mistakes(plain, typed)]
    if messages:
        place = record.path / layout.CONFIG
        raise RunnerError(f"{place}: cannot be used. {' '.join(messages)} {WAY_OUT}{record.path}")


def mistakes(config: Mapping[str, Any], typed: Iterable[str] = ()) -> Iterator[str]:
    """Yield a message for everything that is wrong with a resolved configuration."""
    if incomplete := list(rules.check_sections(dict(config))):
        yield from incomplete
        return
    if lacking := [key for key in NEEDED if not has(config, key)]:
        yield f"It lacks {', '.join(lacking)}: it is of another version, or damaged."
        return
    for key, node in objects(config):
        if not isinstance(node, dict) or not isinstance(node.get("_target_"), str):
            yield f"{key}: must be a section with a _target_, the class that it makes."
    if "hydra" in config:
        yield "hydra: says how a command line is read, which no run directory decides."
    yield from schema.check_types(dict(config))
    asked = config["runner"]["plugins"]
    strange = plugins.refusals(map(str, asked), "it") if isinstance(asked, list) else []
    yield from strange
    if not strange:
        usable = plugins.usable(map(str, asked or ()))
        yield from plugins.check_targets({key: node for key, node in config.items() if key != "runner"}, usable)
    stages = config["stages"]
    unknown = [each for each in stages if each not in rules.stage_names()] if isinstance(stages, list) else []
    if unknown:
        yield f"stages: there is no stage {', '.join(map(str, unknown))}."
    given = {*typed}
    for key, value in flatten(config).items():
        if key.split(".")[0] in WRITING and key not in given:
            yield from strange_places(key, value)


def objects(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the sections that objects are made of, with their keys."""
    yield from ((section, config[section]) for section in rules.NEEDED)
    for section in ("callbacks", "logger"):
        yield from ((f"{section}.{name}", node) for name, node in (config.get(section) or {}).items())


def strange_places(key: str, value: Any) -> Iterator[str]:
    """Yield a message for a place outside of the run directory where an object of a recorded run would write."""
    for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
        if isinstance(text, str) and leads_out(key, text):
            yield (
                f"{key}={text}: lies outside of the run directory, and a recorded configuration writes nowhere else "
                f"({HERE}/…); only your own command line may name such a place."
            )


def tell_places(config: DictConfig) -> None:
    """Say, on standard error, which places beyond the working directory a recorded configuration reads or caches in.

    That is usual, and nothing of it goes anywhere; who did not write the configuration should know of it beforehand.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True)
    for key, value in flatten({name: plain.get(name) for name in READING}).items():
        if isinstance(value, str) and (PurePath(value).is_absolute() or ".." in PurePath(value).parts):
            print(f"recorded: {key}={one_line(value)}", file=sys.stderr)


def leads_out(key: str, text: str) -> bool:
    """Return whether a value is a path outside of the run directory; a word is one where the key asks for a path."""
    inside = text == HERE or text.startswith(f"{HERE}/")
    path = PurePath(text)
    if ".." in path.parts or "://" in text:  # a server of somebody's would be told of everything
        return True
    return not inside and (path.is_absolute() or text.startswith("~") or key.split(".")[-1].endswith(PLACES))


def has(config: Mapping[str, Any], dotted: str) -> bool:
    """Return whether a configuration has a key, whatever its value."""
    section, _, key = dotted.rpartition(".")
    node: Any = config
    for name in filter(None, section.split(".")):
        node = node.get(name)
    return isinstance(node, dict) and key in node


def first_line(error: BaseException) -> str:
    """Return the first line of what a library said."""
    return next(iter(str(error).splitlines()), type(error).__name__)
