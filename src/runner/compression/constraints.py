"""What one value must be, how to say that it is not, and settings that are checked when they are put together."""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from runner.errors import RunnerError, did_you_mean, join_errors


@dataclass(frozen=True)
class Rule:
    """A condition on a value and the words for it: `must be <words>`; `known` are the words that it may be.

    `schema` says the same to editors, in the keywords of JSON Schema.
    """

    words: str
    holds: Callable[[Any], bool]
    known: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False)


def at_least(minimum: float) -> Rule:
    """Return the rule that a number is no less than `minimum`."""
    return Rule(f"at least {minimum}", lambda value: value >= minimum, schema={"minimum": minimum})


def above(minimum: float) -> Rule:
    """Return the rule that a number is greater than `minimum`."""
    return Rule(f"above {minimum}", lambda value: value > minimum, schema={"exclusiveMinimum": minimum})


def from_to(minimum: float, maximum: float) -> Rule:
    """Return the rule that a number is no less than `minimum` and no more than `maximum`."""
    return Rule(
        f"from {minimum} to {maximum}",
        lambda value: minimum <= value <= maximum,
        schema={"minimum": minimum, "maximum": maximum},
    )


def between(minimum: float, maximum: float) -> Rule:
    """Return the rule that a number lies between two others and is neither."""
    return Rule(
        f"above {minimum} and below {maximum}",
        lambda value: minimum < value < maximum,
        schema={"exclusiveMinimum": minimum, "exclusiveMaximum": maximum},
    )


def share(*, one: bool) -> Rule:
    """Return a fraction from 0 to 1; `one` says whether 1 itself is allowed."""
    return Rule(
        "from 0 to 1" if one else "at least 0 and below 1",
        lambda value: 0 <= value < 1 or (one and value == 1),
        schema={"minimum": 0, "maximum" if one else "exclusiveMaximum": 1},
    )


def one_of(*known: str, hidden: tuple[str, ...] = ()) -> Rule:
    """Return a word; `hidden` are some that pass here because another message says more about them."""
    return Rule(
        "one of " + ", ".join(known), lambda value: value in (*known, *hidden), known, {"enum": [*known, *hidden]}
    )


def complain(hint: Any, value: Any) -> str | None:
    """Return what `value` must be to satisfy `hint`, or None where it does."""
    if get_origin(hint) is Annotated:
        plain, *rules = get_args(hint)
        if words := complain(plain, value):
            return rules[0].words if plain is str else f"{words}, {rules[0].words}"
        return next((rule.words for rule in rules if not rule.holds(value)), None)
    if get_origin(hint) in (Union, types.UnionType):
        complaints = [complain(option, value) for option in get_args(hint)]
        return None if None in complaints else " or ".join(words for words in complaints if words)
    if get_origin(hint) in (list, Sequence):
        (item,) = get_args(hint)
        good = isinstance(value, (list, tuple)) and all(complain(item, each) is None for each in value)
        return None if good else f"a list of {NOUNS[item]}s"
    hint = dict if get_origin(hint) is dict else hint
    if hint not in WORDS:  # an object with checks of its own, which no command line writes
        return None if not isinstance(hint, type) or isinstance(value, hint) else ""
    return None if is_instance(value, hint) else WORDS[hint]


WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "settings in braces",
    type(None): "null",
}
NOUNS: dict[Any, str] = {int: "whole number", float: "number", str: "name", dict: "mapping"}


def is_instance(value: Any, kind: type) -> bool:
    """Like isinstance, but true is no number, and a whole number is a number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def show(value: Any) -> str:
    """Return a value as it is written on the command line."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def suggestion(hint: Any, value: Any) -> str:
    """Return the nearest of the words that `hint` allows, as a sentence; empty where it allows any."""
    rules = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    known = [word for rule in rules if isinstance(rule, Rule) for word in rule.known]
    return did_you_mean(value, known) if known and isinstance(value, str) else ""


@cache
def hints(schema: type) -> dict[str, Any]:
    """Return the annotations of a class, resolved; read once, for every job of a sweep is judged by them."""
    return get_type_hints(schema, include_extras=True)


def mistakes(schema: type, values: Mapping[str, Any], section: str = "") -> list[str]:
    """Return a message for every value that is not what the annotations of the class `schema` want it to be.

    Args:
        schema: a class whose annotations are the rules.
        values: those to judge, by name; names without an annotation pass.
        section: where in the configuration the values stand.
    """
    messages = []
    for name, hint in hints(schema).items():
        if name in values and get_origin(hint) is not ClassVar and (words := complain(hint, values[name])):
            key = f"{section}.{name}" if section else name
            value = values[name]
            messages.append(f"{key}={show(value)}: must be {words}.{suggestion(hint, value)}")
    return messages


class SettingsError(RunnerError):
    """Settings that mean nothing; `messages` has one for each mistake."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(str(join_errors(messages)))
        self.messages = messages


@dataclass(frozen=True)
class Settings:
    """Values that are checked once, when they are put together: by their annotations, then against each other.

    Subclasses know neither torch nor another library, so that a configuration is checked at once; a recipe is its
    settings' subclass.

    Attributes:
        section: where in the configuration the values stand; messages name it.
    """

    section: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Raise SettingsError with a message for every mistake."""
        messages = mistakes(type(self), vars(self), self.section) or list(self.conflicts())
        if messages:
            raise SettingsError(messages)

    def conflicts(self) -> Iterator[str]:
        """Yield a message for every mistake that several values make together."""
        yield from ()
