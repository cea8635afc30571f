"""A command line in parts: overrides, the user's config directory, and the flags that Hydra answers."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.errors import RunnerError

TOPICS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
HYDRA_FLAGS: dict[tuple[str, ...], dict[str, Any]] = {
    ("--multirun", "-m"): {"action": "store_true"},
    ("--shell-completion", "-sc"): {"action": "store_true"},
    ("--hydra-help",): {"action": "store_true"},
    ("--version",): {"action": "store_true"},
    ("--resolve",): {"action": "store_true"},
    ("--cfg", "-c"): {"choices": ("job", "hydra", "all")},
    ("--package", "-p"): {},
    ("--info", "-i"): {"nargs": "?", "const": "all", "choices": TOPICS},
}


@dataclass(frozen=True)
class CommandLine:
    """A command line in parts.

    Attributes:
        flags: Hydra's flags by their long names, with their values (True where they take none).
        fresh: whether a sweep is to start anew although the same command began one earlier.
    """

    overrides: list[str]
    config_dir: str | None
    fresh: bool = False
    flags: dict[str, Any] = field(default_factory=dict)

    def for_hydra(self) -> list[str]:
        """Return the flags as Hydra's command line takes them."""
        return [word for flag, value in self.flags.items() for word in ([flag] if value is True else [flag, value])]


def parse(arguments: Sequence[str]) -> CommandLine:
    """Tell the parts apart.

    Raises:
        RunnerError: an option that does not exist, or one without its value.
    """
    parser = argparse.ArgumentParser("python -m runner", add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--run", "-r", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    for names, settings in HYDRA_FLAGS.items():
        parser.add_argument(*names, dest=names[0], **settings)
    try:
        options, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise RunnerError(f"{error}. See: python -m runner --help") from None
    if strange := [each for each in rest if each.startswith("-")]:
        raise RunnerError(f"{', '.join(strange)}: there is no such option. See: python -m runner --help")
    given = {names[0]: getattr(options, names[0]) for names in HYDRA_FLAGS}
    flags = {flag: value for flag, value in given.items() if value}
    if options.fresh and "--multirun" not in flags:
        raise RunnerError("--fresh starts a sweep anew: it needs -m. Single runs always start anew.")
    return CommandLine(rest, options.config_dir, options.fresh, flags)
