"""Packages whose code a person lets run: named on the command line, or in that person's own settings file.

A configuration only asks for them. A YAML file of a directory, an experiment or a run directory comes from anybody, so
that what stands there enables nothing.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

KEY = "runner.plugins"
_named: ContextVar[tuple[str, ...]] = ContextVar("named", default=())


def enable(arguments: Sequence[str]) -> None:
    """Enable the packages of `runner.plugins=[…]` on this command line, and no longer those of one before."""
    _named.set(tuple(dict.fromkeys(name for each in arguments if is_plugins(each) for name in names(each))))


@contextmanager
def enabling(arguments: Sequence[str]) -> Iterator[None]:
    """Enable what `enable` does within this context, and afterwards what was enabled before it."""
    token = _named.set(())
    try:
        enable(arguments)
        yield
    finally:
        _named.reset(token)


def enabled() -> dict[str, str]:
    """Return the enabled packages, each with where the person named it."""
    path = settings_file()
    return dict.fromkeys(of_settings(path), str(path)) | dict.fromkeys(_named.get(), "the command line")


def again() -> str:
    """Return what a command that goes on with this one adds to name the same packages; empty where it named none."""
    return f" 'runner.plugins=[{','.join(_named.get())}]'" if _named.get() else ""


def is_plugins(argument: str) -> bool:
    """Return whether a word of a command line is `runner.plugins=…`, with any of Hydra's prefixes."""
    return argument.lstrip("+").partition("=")[0] == KEY and "=" in argument


def without(arguments: Sequence[str]) -> list[str]:
    """Return a command line without `runner.plugins=…`, for commands that take no other settings."""
    return [each for each in arguments if not is_plugins(each)]


def names(argument: str) -> list[str]:
    """Return the packages of `runner.plugins=[one,two]`; what is no list of names is told where it is composed."""
    value = argument.partition("=")[2].strip()
    if not (value.startswith("[") and value.endswith("]")):
        return []
    return [name for each in value[1:-1].split(",") if (name := each.strip().strip("'\""))]


def settings_file() -> Path:
    """Return where a person's own settings lie: `$RUNNER_SETTINGS`, or `runner/settings.yaml` among such files."""
    if named := os.environ.get("RUNNER_SETTINGS"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "runner" / "settings.yaml"


def of_settings(path: Path) -> list[str]:
    """Return the `plugins` of a settings file; none where there is no file.

    Raises:
        RunnerError: the file is no YAML with a list of names.
    """
    if not path.is_file():
        return []
    import yaml  # few people have such a file

    try:
        loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        listed = loaded.get("plugins") or [] if isinstance(loaded, dict) else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise RunnerError(f"{path}: must hold a list of packages (plugins: [my_package]).")
    return listed


def refusals(asked: Iterable[str], where: str = "a configuration file") -> list[str]:
    """Return a message where a configuration asks for packages that nobody enabled."""
    known = enabled()
    missing = [name for name in asked if name not in known]
    if not missing:
        return []
    listed = ", ".join(missing)
    return [
        f"{KEY}=[{listed}] stands in {where}: it would execute that code, which only you can allow. "
        f"Where you trust it, add {KEY}=[{listed}] to the command line, or list it under plugins in {settings_file()}."
    ]


def usable(asked: Iterable[str] | None) -> list[str]:
    """Return the enabled ones of the packages that a configuration asks for, and those of the settings."""
    listed = of_settings(settings_file())
    return list(dict.fromkeys([*(name for name in asked or () if name in {*listed, *_named.get()}), *listed]))


def allowed(asked: Iterable[str], where: str) -> list[str]:
    """Return the packages that a configuration may name classes of: those that it asks for, and those of the settings.

    Raises:
        RunnerError: it asks for packages that nobody enabled.
    """
    wanted = list(asked)
    if messages := refusals(wanted, where):
        raise RunnerError(messages[0])
    return usable(wanted)
