"""What the annotations of a target say of the plain values that it is given."""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from runner.compression.constraints import WORDS, is_instance, show

PLAIN = (type(None), bool, int, float, str, list, tuple, dict)
# Classes of which a list that a YAML holds may be one.
LISTS = (list, tuple, set, frozenset)
# Classes that a text stands for.
NAMED = (PurePath, Enum)
OBJECT = "a section with a _target_"


def misfits(target: Callable[..., Any], values: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield a message for every value that cannot be what its annotation asks for.

    Libraries take more than they write down, so that only what is certain counts: a list or settings where a number,
    a word or null was to be; annotations that can't be read, or that their own default contradicts, say nothing.

    Args:
        target: a class or function.
        values: its keywords, plain; nodes with a `_target_` are judged by themselves.
        where: the place of these values, for messages.
    """
    known = annotations(target)
    for key, value in values.items():
        if key in known and not fits(known[key], value):
            yield f"{where}.{key}={show(value)}: must be {wanted(known[key])}."


@cache
def annotations(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of keywords that can be relied on, of a class also of those that it hands to its base."""
    initials = [each.__dict__["__init__"] for each in getattr(target, "__mro__", ()) if "__init__" in each.__dict__]
    known: dict[str, Any] = {}
    for function in initials or [target]:
        try:
            parameters, hints = inspect.signature(function).parameters, get_type_hints(function, include_extras=True)
        except (TypeError, ValueError, NameError, AttributeError, SyntaxError):
            break
        for name, parameter in parameters.items():
            if name in hints and name not in known and parameter.kind is not parameter.VAR_KEYWORD:
                known[name] = trusted(hints[name], parameter.default)
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            break
    return known


def trusted(hint: Any, default: Any) -> Any:
    """Return an annotation as far as its default bears it out: None makes it optional, another one makes it void."""
    if fits(hint, default) or not isinstance(default, PLAIN):
        return hint
    return Union[hint, None] if default is None else Any  # noqa: UP007 - there are hints without |


def fits(hint: Any, value: Any) -> bool:
    """Return whether a value may be what a hint asks for."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or (isinstance(value, dict) and "_target_" in value):
        return True
    if origin is Annotated:
        return fits(inner[0], value)
    if origin in (Union, types.UnionType):
        return any(fits(each, value) for each in inner)
    if origin is Literal:
        return value in inner
    if hint is None or hint in WORDS:
        return is_instance(value, hint or type(None))
    kind = origin or hint
    if not isinstance(kind, type) or kind is type:
        return True
    if isinstance(value, str) and issubclass(kind, NAMED):
        return True
    if isinstance(value, list):
        return any(issubclass(each, kind) for each in LISTS) and items_fit(inner, value)
    if isinstance(value, dict):
        return issubclass(dict, kind) and all(fits(hint, each) for hint in inner[1:] for each in value.values())
    return is_a(value, kind)


def items_fit(hints: tuple[Any, ...], items: list[Any]) -> bool:
    """Return whether items are those of `list[X]` and `tuple[X, ...]` (one hint), or of `tuple[X, Y]`, each its own."""
    if len(hints) == 1 or hints[1:] == (...,):
        return all(fits(hints[0], each) for each in items)
    return not hints or (len(hints) == len(items) and all(map(fits, hints, items)))


def is_a(value: Any, kind: type) -> bool:
    """Return whether a value is of a class; yes where the class can't tell, as most protocols."""
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


def wanted(hint: Any) -> str:
    """Return in words what a hint asks for; objects only where nothing else but null would do."""
    found = dict.fromkeys(words(hint))
    plain = {each for each in found if each not in (OBJECT, WORDS[type(None)])}
    return " or ".join(each for each in found if each != OBJECT or not plain)


def words(hint: Any) -> Iterator[str]:
    """Yield what a hint asks for, one alternative after the other."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from words(inner[0])
    elif origin in (Union, types.UnionType):
        for each in inner:
            yield from words(each)
    elif origin is Literal:
        yield f"one of {', '.join(map(show, inner))}"
    elif hint is None or hint in WORDS:
        yield WORDS[hint or type(None)]
    elif (origin or hint) in (*LISTS, Sequence):
        items = [each for each in inner if each is not ...]
        count = f"{len(items)} values" if len(items) > 1 else "values"
        each = " or ".join(dict.fromkeys(map(wanted, items)))
        yield f"a list of {count}, each {each}" if each else f"a list of {count}"
    elif isinstance(origin or hint, type) and issubclass(dict, origin or hint):
        yield WORDS[dict]
    else:
        yield OBJECT
