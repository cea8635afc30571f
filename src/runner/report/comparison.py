"""Two runs side by side: configuration, metrics, environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.report.formatting import format_number, format_setting
from runner.report.quantities import decimals_of, quantities
from runner.report.record_files import read_json
from runner.report.runs import RunRecord
from runner.tracking.identity import AROUND_RUNS, flatten

ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class ComparedValue:
    """One thing that two runs have; `difference` is the second minus the first, empty where they are no numbers."""

    name: str
    values: tuple[str, str]
    difference: str
    equal: bool


def compare(one: RunRecord, other: RunRecord) -> dict[str, list[ComparedValue]]:
    """Return everything that either run has, by section; choices come before the settings that follow from them."""
    return {
        "configuration": [
            *compare_mappings(without(one.choices, AROUND_RUNS), without(other.choices, AROUND_RUNS)),
            *compare_mappings(without(one.settings, one.choices), without(other.settings, other.choices)),
        ],
        "metrics": compare_numbers(quantities(one), quantities(other)),
        "environment": compare_mappings(environment(one), environment(other)),
    }


def without(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the settings that are not called so; `mode` is a group and a key, and need not be told twice."""
    return {key: value for key, value in settings.items() if key not in names}


def compare_mappings(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[ComparedValue]:
    """Return one line for every key of either mapping."""
    found = []
    for key in {**one, **other}:
        values = (format_setting(one[key]) if key in one else "", format_setting(other[key]) if key in other else "")
        found.append(ComparedValue(key, values, "", key in one and key in other and one[key] == other[key]))
    return found


def compare_numbers(one: Mapping[str, float], other: Mapping[str, float]) -> list[ComparedValue]:
    """Return one line for every number of either run, with the difference."""
    found = []
    for name in {**one, **other}:
        known = [values[name] for values in (one, other) if name in values]
        digits = decimals_of(name, known)
        texts = (
            format_number(one[name], digits) if name in one else "",
            format_number(other[name], digits) if name in other else "",
        )
        difference = format_difference(known[1] - known[0], digits) if len(known) == 2 else ""
        found.append(ComparedValue(name, texts, difference, len({*known}) == 1 and len(known) == 2))
    return found


def format_difference(value: float, digits: int | None) -> str:
    """Return a difference with its sign; `=` where there is none."""
    return f"{'+' if value > 0 else ''}{format_number(value, digits)}" if value else "="


def environment(run: RunRecord) -> dict[str, Any]:
    """Return the content of environment.json by dotted keys; empty where the run has none."""
    return flatten(read_json(run.path / ENVIRONMENT)[0])
