"""Annotations, with the rules in them, as JSON Schema."""

import types
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from runner.compression.constraints import Rule, Settings, hints

Schema = dict[str, Any]

NAMES: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}


def schema_of(hint: Any) -> Schema:
    """Return the schema of an annotation; the empty one, which takes everything, of a class that YAML can't write."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return restricted(schema_of(arguments[0]), [each for each in arguments[1:] if isinstance(each, Rule)])
    if origin in (Union, types.UnionType):
        settings = any(is_settings(each) for each in arguments)  # whose plain form the annotation names beside it
        options = [schema_of(each) for each in arguments if not (settings and each is dict)]
        return {"anyOf": options} if all(options) else {}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple, Sequence):
        items = schema_of(arguments[0]) if arguments else {}
        return {"type": "array", **({"items": items} if items else {})}
    if is_settings(hint):
        keys = {name: schema_of(each) for name, each in hints(hint).items() if get_origin(each) is not ClassVar}
        return {"type": "object", "properties": keys, "additionalProperties": False}
    kind = NAMES.get(origin or hint)
    return {"type": kind} if kind else {}


def is_settings(hint: Any) -> bool:
    """Return whether an annotation is a class of settings, which YAML writes as a section."""
    return isinstance(hint, type) and issubclass(hint, Settings)


def restricted(schema: Schema, rules: list[Rule]) -> Schema:
    """Return a schema that rules narrow; their words are its description, which editors show beside a mistake."""
    words = ", ".join(rule.words for rule in rules)
    parts = [dict(rule.schema) for rule in rules if rule.schema]
    return {**schema, **({"allOf": parts} if parts else {}), **({"description": f"Must be {words}."} if words else {})}


def or_interpolation(schema: Schema) -> Schema:
    """Return a schema that also takes what stands for a value: `${data.num_classes}`, `???`."""
    if not schema or set(schema) == {"description"}:
        return schema
    described = {"description": schema["description"]} if "description" in schema else {}
    stands_for = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
    return {**described, "anyOf": [{key: value for key, value in schema.items() if key != "description"}, stands_for]}
