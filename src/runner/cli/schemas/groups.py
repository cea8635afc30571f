"""The schema of each group: the keys of its files, what their comments say, and what checks their values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runner.cli.schemas.comments import comments
from runner.cli.schemas.hints import Schema, or_interpolation, schema_of
from runner.compression.constraints import hints
from runner.config.catalog import HYDRA_GROUPS, Known
from runner.config.methods import settings_class
from runner.config.rules import stage_names
from runner.config.schema import sections

DIALECT = "https://json-schema.org/draft/2020-12/schema"
GLOBAL = "@package _global_"
# Keys of Hydra's own, which any section may have.
HYDRAS = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_", "defaults")
# Sections whose keys are names of somebody's choice.
OPEN = ("refuses", "expected_ratio", "also", "callbacks", "logger", "hydra")
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


@dataclass
class Keys:
    """What files have below one key.

    Attributes:
        below: its own keys; of a value that is no section none.
        says: what comments say of it, the first file's.
        hint: the schema of its value, from what checks it.
        targets: classes that files make of it.
        plain: whether a file gives it a value that is no section.
    """

    below: "dict[str, Keys]" = field(default_factory=dict)
    says: str = ""
    hint: Schema = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    plain: bool = False

    def at(self, dotted: str) -> "Keys":
        """Return what lies at a dotted key, which is there from now on."""
        node = self
        for name in filter(None, dotted.split(".")):
            node = node.below.setdefault(name, Keys())
        return node

    def add(self, content: Mapping[str, Any], said: Mapping[str, str], prefix: str = "") -> None:
        """Take in the content of a file, or of a section of it."""
        for key, value in content.items():
            if key == "_target_" and str(value) not in self.targets:
                self.targets.append(str(value))
            if key in HYDRAS:
                continue
            node, place = self.at(str(key)), f"{prefix}{key}"
            node.says = node.says or said.get(place, "")
            if isinstance(value, dict) and value:
                node.add(value, said, f"{place}.")
            else:
                node.plain = True


def schemas(known: Known, directories: list[Path]) -> dict[str, Schema]:
    """Return the schema of every group by its name (`model`, `quantization/backend`), and of `config.yaml` as ``."""
    whole, parts = Keys(), {group: Keys() for group in known}
    around: set[str] = set()
    for directory in directories:
        for path in sorted(directory.rglob("*.yaml")):
            group = "" if path.parent == directory else path.parent.relative_to(directory).as_posix()
            text = path.read_text(encoding="utf-8")
            content, said = yaml.safe_load(text) or {}, comments(text)
            if not isinstance(content, dict) or group.split("/")[0] in HYDRA_GROUPS:
                continue
            if not group or text.startswith(f"# {GLOBAL}"):
                around.add(group)
                whole.add(content, said)
            else:
                parts.setdefault(group, Keys()).add(content, said)
                whole.at(group.replace("/", ".")).add(content, said)
    for place, kinds in sections().items():
        for key, hint in ((key, hint) for kind in kinds for key, hint in hints(kind).items()):
            whole.at(f"{place}.{key}").hint = schema_of(hint)
    whole.at("stages").hint = {"type": "array", "minItems": 1, "items": {"enum": [*stage_names()]}}
    for place, schema in recipe_settings(directories):
        whole.at(place).hint = whole.at(place).hint or schema
    return {
        group: {
            "$schema": DIALECT,
            **(section(whole, known) if group in around else section(merged(part(parts, group), whole, group), known)),
            "type": ["object", "null"],  # of a file that holds comments alone
            "title": f"conf/{group}/*.yaml" if group else "the default run",
        }
        for group in sorted({*parts, *around})
    }


def part(parts: Mapping[str, Keys], group: str) -> Keys:
    """Return the keys of one group's files."""
    return parts.get(group, Keys())


def merged(keys: Keys, whole: Keys, group: str) -> Keys:
    """Return the keys of a group's files, with the hints that the whole configuration has at its place."""
    place = whole.at(group.replace("/", "."))
    below = {name: place.below[name] for name in {*keys.below, *(n for n, each in place.below.items() if each.hint)}}
    name = group.split("/")[0]
    return Keys(dict(sorted(below.items())) if name not in OPEN else {}, targets=keys.targets)


def recipe_settings(directories: list[Path]) -> Iterator[tuple[str, Schema]]:
    """Yield the keys that recipes are made from (`ratio: ${pruning.ratio}`), as the settings beside it check them."""
    for directory in directories:
        for path in sorted(directory.rglob("*.yaml")):
            group = path.parent.relative_to(directory).as_posix().replace("/", ".")
            yield from settings_in(yaml.safe_load(path.read_text(encoding="utf-8")), group)


def settings_in(node: Any, place: str) -> Iterator[tuple[str, Schema]]:
    """Yield what the settings of every object in a file say of the keys that it is given, where these stand."""
    if not isinstance(node, dict):
        return
    kind: Any = settings_class(str(node["_target_"]), []) if "_target_" in node else None
    known = {} if kind is None else hints(kind)
    for key, value in node.items():
        if key in known:
            match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            yield (match[1] if match else f"{place}.{key}"), schema_of(known[key])
        yield from settings_in(value, f"{place}.{key}")


def section(keys: Keys, known: Known) -> Schema:
    """Return the schema of a section: its keys and no others, unless it makes a class that none of ours does."""
    properties: Schema = {
        "_target_": {"type": ["string", "null"], "description": "The class or function that this makes."}
    }
    properties |= {name: {} for name in HYDRAS[1:]} | {"defaults": defaults(known)}
    for name, each in keys.below.items():
        properties[name] = {} if name in OPEN else value(each, known)
    result: Schema = {"type": "object", "properties": properties}
    if keys.below:
        result["if"] = {"properties": {"_target_": {"enum": keys.targets}}}
        result["then"] = {"propertyNames": {"enum": [*properties]}}
    return result


def value(keys: Keys, known: Known) -> Schema:
    """Return the schema of what stands behind a key: a value, a section, or either."""
    schema = dict(keys.hint)
    if keys.below:
        inner = section(keys, {})  # files alone choose, sections never
        schema = {"anyOf": [inner, *([or_interpolation(schema) or {"type": PLAIN}] if keys.plain else [])]}
        schema = inner if len(schema["anyOf"]) == 1 else schema
    else:
        schema = or_interpolation(schema)
    words = " ".join(filter(None, (keys.says, keys.hint.get("description"))))
    return {**schema, **({"description": words} if words else {})}


PLAIN = ["null", "boolean", "number", "string", "array"]


def defaults(known: Known) -> Schema:
    """Return the schema of a defaults list: each group with the names of its choices."""
    names = {group: [*choices, None] for group, choices in known.items() if group}
    chosen: Schema = {}
    for group, words in names.items():
        one = {"anyOf": [{"enum": words}, {"type": "string", "pattern": r"\$\{|^_"}, {"type": "array"}]}
        chosen |= {f"{mark}{group}": one for mark in ("", "/", "override /")}
        chosen[f"override /{group}@_global_.{group.replace('/', '.')}"] = one
    items = {"anyOf": [{"type": "string"}, {"type": "object", "properties": chosen}]}
    return {"type": "array", "items": items, "uniqueItems": True}
