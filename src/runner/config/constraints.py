"""What one value must be, and how to say that it is not."""

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin


@dataclass(frozen=True)
class Rule:
    """A condition on a value and the words for it: `must be <words>`."""

    words: str
    holds: Callable[[Any], bool]


def at_least(minimum: float) -> Rule:
    return Rule(f"at least {minimum}", lambda value: value >= minimum)


def above(minimum: float) -> Rule:
    return Rule(f"above {minimum}", lambda value: value > minimum)


def share(*, one: bool) -> Rule:
    """A fraction from 0 to 1; `one` says whether 1 itself is allowed."""
    return Rule(
        "from 0 to 1" if one else "at least 0 and below 1",
        lambda value: 0 <= value < 1 or (one and value == 1),
    )


def one_of(*known: str) -> Rule:
    return Rule("one of " + ", ".join(known), lambda value: value in known)


def complain(hint: Any, value: Any) -> str | None:
    """What `value` must be to satisfy `hint`, or None where it does."""
    if get_origin(hint) is Annotated:
        plain, *rules = get_args(hint)
        if words := complain(plain, value):
            return rules[0].words if plain is str else f"{words}, {rules[0].words}"
        return next((rule.words for rule in rules if not rule.holds(value)), None)
    if get_origin(hint) in (Union, types.UnionType):
        complaints = [complain(option, value) for option in get_args(hint)]
        return None if None in complaints else " or ".join(str(words) for words in complaints)
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        good = isinstance(value, list) and all(complain(item, each) is None for each in value)
        return None if good else f"a list of {NOUNS[item]}s"
    return None if is_instance(value, hint) else WORDS[hint]


WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "settings in braces",
    type(None): "null",
}
NOUNS: dict[Any, str] = {int: "whole number", str: "name"}


def is_instance(value: Any, kind: type) -> bool:
    """Like isinstance, but true is no number, and a whole number is a number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def show(value: Any) -> str:
    """A value as it is written on the command line."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
