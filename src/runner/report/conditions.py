"""Names that can be asked for (choices, settings, metrics), and --where: which runs are reported by them."""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.errors import RunnerError, did_you_mean
from runner.report.differences import shortest
from runner.report.quantities import quantities, show
from runner.report.run_record import MISSING, value_of
from runner.report.runs import RunRecord

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """`name` `sign` `text`; the sign is one of = != < <= > >=."""

    name: str
    sign: str
    text: str

    def holds(self, run: RunRecord) -> bool:
        """Return whether the condition holds; a run without the value only satisfies !=."""
        value = quantities(run).get(self.name, MISSING)
        if value is MISSING:
            value = value_of(run, self.name)
        if self.sign == "=":
            return value is not MISSING and equals(value, self.text)
        if self.sign == "!=":
            return value is MISSING or not equals(value, self.text)
        number, limit = as_number(value), as_number(self.text)
        return number is not None and limit is not None and ORDERS[self.sign](number, limit)


def conditions(texts: Iterable[str], known: Sequence[str]) -> list[Condition]:
    """Read conditions such as `optimizer.lr=0.01`, `model=cnn`, `test/accuracy>0.9`.

    Args:
        known: the names of what runs have.

    Raises:
        RunnerError: no condition, a name that no run has, or an order of what is no number.
    """
    return [condition(text, known) for text in texts]


def condition(text: str, known: Sequence[str]) -> Condition:
    """Read one condition; see `conditions`."""
    match = re.fullmatch(r"\s*([^=<>!\s]+)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*", text)
    if match is None:
        raise RunnerError(
            f"--where {text}: not a condition. Write NAME=VALUE, or one of != < <= > >=, such as 'test/accuracy>0.9'."
        )
    name, sign, value = match.groups()
    if sign in ORDERS and as_number(value) is None:
        raise RunnerError(f"--where {text}: {value or 'nothing'} is no number, so nothing is above or below it.")
    return Condition(resolve(name, known, "--where"), sign.replace("==", "="), value)


def equals(value: Any, text: str) -> bool:
    """Return whether a recorded value is what somebody wrote: numbers as numbers, all else as it is shown."""
    number, wanted = as_number(value), as_number(text)
    if number is not None and wanted is not None:
        return number == wanted
    return show(value).replace(" ", "") == text.replace(" ", "").strip("'\"")


def as_number(value: Any) -> float | None:
    """Return the value as a number, if it is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def known_settings(runs: Iterable[RunRecord]) -> list[str]:
    """Return the groups and dotted keys of these runs."""
    return list(dict.fromkeys(name for run in runs for name in (*run.choices, *run.settings)))


def known_quantities(runs: Iterable[RunRecord]) -> list[str]:
    """Return the metrics of these runs, and all else that can be shown as a number."""
    return list(dict.fromkeys(name for run in runs for name in quantities(run)))


def known_names(runs: Sequence[RunRecord]) -> list[str]:
    """Return every name that --where and --columns understand."""
    return list(dict.fromkeys([*known_settings(runs), *known_quantities(runs)]))


def resolve(name: str, known: Sequence[str], option: str) -> str:
    """Return the full name of what was asked for; its end (`lr` of `optimizer.lr`) will do where nothing else ends so.

    Raises:
        RunnerError: no run has it, or several things are called so.
    """
    if name in known:
        return name
    ends = [each for each in known if shortest(each) == name or each.endswith((f".{name}", f"/{name}"))]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RunnerError(f"{option} {name}: could be {', '.join(ends)}; write it in full.")
    raise RunnerError(f"{option} {name}: no run has it.{did_you_mean(name, known) or examples(known)}")


def examples(known: Sequence[str]) -> str:
    """Return a few of the names."""
    return f" There are {', '.join(known[:8])}, …" if known else ""
