"""The references of a configuration, `${a.b}`: which values each of them reads, and what it leads to."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.resolvers import TABLE_SETTINGS

Path = tuple[Any, ...]
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")
# Resolvers whose answer depends on nothing but what stands in their parentheses, and those that also ask their section
# how a table is read.
PURE = re.compile(
    r"\$\{(?:hydra:runtime\.[\w./]*\}|(?:run_directory|stages|every_choice|remaining|folder_classes|box_classes"
    r"|mask_classes|class_monitor|class_monitor_mode):)"
)
OF_SECTION = re.compile(r"\$\{csv_(?:features|classes):")
SELECTED = re.compile(r"\$\{oc\.select:([A-Za-z_]\w*(?:\.\w+)*)(?=[,}])")
BESIDE = re.compile(r"\$\{\.(\w+(?:\.\w+)*)\}")


def reads(config: DictConfig, leave_out: Collection[str] = ()) -> dict[Path, frozenset[str] | None] | None:
    """Return the references by their place, each with the keys that it reads; None for one that may read anything.

    None for all where one reads Hydra's node beyond what follows from the choices.
    """
    found: dict[Path, frozenset[str] | None] = {}

    def walk(node: Any, path: Path) -> bool:
        if node._is_none() or node._is_missing():
            return True
        if node._is_interpolation():
            text = str(node._value())
            found[path] = read_by(text, path)
            return "hydra" not in PURE.sub("", text)
        if not isinstance(node, (DictConfig, ListConfig)):
            return True
        keys: Any = list(node.keys()) if isinstance(node, DictConfig) else range(len(node))
        return all(walk(node._get_node(key), (*path, key)) for key in keys if path or key not in leave_out)

    return found if walk(config, ()) else None


def read_by(text: str, path: Path) -> frozenset[str] | None:
    """Return the keys that a reference at a place reads; None where it may be any."""
    section = dotted(path[:-1])
    rest, asks_section = OF_SECTION.subn("", PURE.sub("", text))
    keys = [f"{section}.{key}" for key in TABLE_SETTINGS] if asks_section else []
    for form, start in ((SELECTED, ""), (BESIDE, f"{section}." if section else ""), (REFERENCE, "")):
        keys += [start + key for key in form.findall(rest)]
        rest = form.sub("", rest)
    return None if "${" in rest or "\\" in text else frozenset(keys)


def aliases(config: DictConfig, references: Collection[Path]) -> dict[Path, str]:
    """Return the references that are another key's value and nothing else, with that key."""
    texts = {path: str(parent_of(config, path)._get_node(path[-1])._value()) for path in references}
    return {path: found.group(1) for path, text in texts.items() if (found := REFERENCE.fullmatch(text))}


def affected(
    references: Mapping[Path, frozenset[str] | None], keys: Sequence[str], replaced: Collection[str]
) -> list[Path]:
    """Return the references that may lead to something else when these keys change; `replaced` are none any more."""
    left = {path: read for path, read in references.items() if dotted(path) not in replaced}
    changed, found = list(keys), []
    while changed:
        now = [path for path, read in left.items() if read is None or any(touch(a, b) for a in read for b in changed)]
        for path in now:
            left.pop(path)
        found += now
        changed = [dotted(path) for path in now]
    return found


def touch(read: str, changed: str) -> bool:
    """Return whether one of two keys is the other, or lies in its section."""
    return f"{read}.".startswith(f"{changed}.") or f"{changed}.".startswith(f"{read}.")


def dead(config: DictConfig, references: Collection[Path]) -> frozenset[Path]:
    """Return the references that lead nowhere, or to what is missing."""
    found = []
    for path in references:
        try:
            value_at(config, path)
        except OmegaConfBaseException:
            found.append(path)
    return frozenset(found)


def value_at(config: DictConfig, path: Path) -> Any:
    """Return what a reference at this place leads to, as plain containers.

    Raises:
        OmegaConfBaseException: it leads nowhere, or to what is missing.
    """
    value = parent_of(config, path)[path[-1]]
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def parent_of(config: DictConfig, path: Path) -> Any:
    """Return the container that holds what lies at this place."""
    node: Any = config
    for key in path[:-1]:
        node = node._get_node(key)
    return node


def node_at(config: DictConfig, key: str) -> Any:
    """Return the node under a dotted key; None where it lies in a list."""
    node: Any = config
    for name in key.split("."):
        node = node._get_node(name) if isinstance(node, DictConfig) else None
    return node


def dotted(path: Path) -> str:
    """Return a place as a key."""
    return ".".join(map(str, path))
