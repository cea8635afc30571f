"""How large YAML files of others and their interpolations would become: anchors and `${…}` can repeat each other."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from runner.errors import RunnerError
from runner.files.reading import check_yaml, read_bytes

# Characters of one value, and of all together, once interpolations are replaced by what they stand for.
VALUE, WHOLE = 1_000_000, 10_000_000
# An interpolation that has none inside.
INNERMOST = re.compile(r"\$\{([^${}]*)\}")
SMALLER = "Say less with it, or look at who wrote it."


def refuse_large_files(directories: Sequence[Path]) -> None:
    """Raise RunnerError for a YAML file in one of these directories whose anchors repeat each other without measure."""
    for directory in directories:
        for path in sorted(directory.rglob("*.yaml")):
            try:
                check_yaml(read_bytes(path))
            except ValueError as error:
                raise RunnerError(f"{path}: {error}. {SMALLER}") from None
            except (OSError, yaml.YAMLError):  # where it is chosen, it has a message of its own
                continue


def refuse_growth(config: DictConfig) -> None:
    """Raise RunnerError where resolving a configuration would make far more of it than anybody writes."""
    raw: Any = OmegaConf.to_container(config, resolve=False)
    Expansion(raw).total()


class Expansion:
    """The text that each value of a configuration would become, as far as its length goes; nothing is resolved.

    Of a resolver the text of its arguments counts, of what is not there nothing; both have their own bounds and
    messages elsewhere.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.known: dict[str, str] = {}
        self.length = 0

    def total(self) -> int:
        """Return the characters of all values together; raises RunnerError where that is too many."""
        return len(self.text(self.raw, ""))

    def text(self, node: Any, place: str) -> str:
        """Return what stands in for a node; for containers, as many characters as all that is in them."""
        if place in self.known:
            return self.known[place]
        self.known[place] = ""  # what leads back here ends here; OmegaConf has a message for it
        if isinstance(node, (dict, list)):
            pairs = node.items() if isinstance(node, dict) else enumerate(node)
            found = "x" * sum(len(self.text(each, f"{place}.{key}".lstrip("."))) for key, each in pairs)
            self.refuse(place, len(found), WHOLE)
        else:
            found = self.expanded(node, place) if isinstance(node, str) else "x"
        self.known[place] = found
        self.length += len(found)
        self.refuse(place, self.length, 2 * WHOLE)
        return found

    def expanded(self, value: str, place: str) -> str:
        """Return a text with its interpolations replaced, the inner ones first."""
        while found := INNERMOST.search(value):
            value = value[: found.start()] + self.target(found.group(1).strip(), place) + value[found.end() :]
            self.refuse(place, len(value), VALUE)
        return value

    def target(self, inside: str, place: str) -> str:
        """Return the text of what an interpolation names: a key, absolute or relative, or a resolver's arguments."""
        name, colon, arguments = inside.partition(":")
        if colon and not name.startswith("oc."):
            return arguments
        key = arguments.split(",")[0].strip() if colon else inside
        levels = len(key) - len(key.lstrip("."))
        above = place.split(".")[: -levels or None] if levels else []
        parts = [*above, *filter(None, re.split(r"[.\[\]]+", key))]
        node = self.raw
        for part in parts:
            if isinstance(node, str):  # a value that stands for a section: as much as the whole of it
                return self.text(node, ".".join(parts[: parts.index(part)]))
            index = int(part) if isinstance(node, list) and part.isdecimal() else part
            try:
                node = node[index]
            except (KeyError, IndexError, TypeError):
                return arguments
        return self.text(node, ".".join(parts))

    def refuse(self, place: str, length: int, most: int) -> None:
        """Raise RunnerError for a value that is too long."""
        if length > most:
            raise RunnerError(
                f"{place or 'The configuration'}: its interpolations would grow to more than {most:,} characters. "
                f"{SMALLER}"
            )
