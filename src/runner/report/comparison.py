"""Two runs side by side: configuration, metrics, environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.report.final import with_final
from runner.report.quantities import number, places, quantities, show
from runner.report.report import sorting, told
from runner.report.run_record import read_json
from runner.report.runs import RunRecord
from runner.tracking import layout
from runner.tracking.identity import AROUND_RUNS, flatten

ENVIRONMENT = layout.ENVIRONMENT


@dataclass(frozen=True)
class ComparisonLine:
    """One thing that two runs have; `difference` is the second minus the first, empty where they are no numbers."""

    name: str
    values: tuple[str, str]
    difference: str
    equal: bool


def compare(one: RunRecord, other: RunRecord) -> dict[str, list[ComparisonLine]]:
    """Return everything that either run has, by section; choices come before the settings that follow from them."""
    return {
        "configuration": [
            *lines(without(one.choices, AROUND_RUNS), without(other.choices, AROUND_RUNS)),
            *lines(without(one.settings, one.choices), without(other.settings, other.choices)),
        ],
        "metrics": measured(quantities(one), quantities(other)),
        "environment": lines(environment(one), environment(other)),
    }


def verdict(one: RunRecord, other: RunRecord) -> str:
    """Return which of two runs is better, by what a report over them ranks; empty where that cannot be said."""
    runs = with_final([one, other])
    name, mode = sorting(runs, None)
    values = [run.metrics.get(name) for run in runs]
    if not name or all(value is None for value in values):
        return ""
    by = told(runs, name, mode, asked=False).rpartition("; ")[0]
    first, second = values
    if first is None or second is None:
        return f"Only {'A' if second is None else 'B'} has {by}."
    digits = places(name, [first, second])
    texts = f"A {number(first, digits)}, B {number(second, digits)}"
    if first == second:
        return f"Equal by {by}: {texts}."
    better = "A" if (first > second) == (mode == "max") else "B"
    return f"{better} is better by {by}: {texts}."


def without(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the settings that are not called so; `mode` is a group and a key, and need not be told twice."""
    return {key: value for key, value in settings.items() if key not in names}


def lines(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[ComparisonLine]:
    """Return one line for every key of either mapping."""
    found = []
    for key in {**one, **other}:
        values = (show(one[key]) if key in one else "", show(other[key]) if key in other else "")
        found.append(ComparisonLine(key, values, "", key in one and key in other and one[key] == other[key]))
    return found


def measured(one: Mapping[str, float], other: Mapping[str, float]) -> list[ComparisonLine]:
    """Return one line for every number of either run, with the difference."""
    found = []
    for name in {**one, **other}:
        known = [values[name] for values in (one, other) if name in values]
        digits = places(name, known)
        texts = (
            number(one[name], digits) if name in one else "",
            number(other[name], digits) if name in other else "",
        )
        difference = signed(known[1] - known[0], digits) if len(known) == 2 else ""
        found.append(ComparisonLine(name, texts, difference, len({*known}) == 1 and len(known) == 2))
    return found


def signed(value: float, digits: int | None) -> str:
    """Return a difference with its sign; `=` where there is none."""
    return f"{'+' if value > 0 else ''}{number(value, digits)}" if value else "="


def environment(run: RunRecord) -> dict[str, Any]:
    """Return the content of environment.json by dotted keys; empty where the run has none."""
    return flatten(read_json(run.path / ENVIRONMENT)[0])
