"""By which settings runs differ: choices and what the user typed, without all that follows from them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.report.run_record import MISSING, read_json, value_of
from runner.report.runs import RunRecord
from runner.tracking import layout
from runner.tracking.console import SHOWN
from runner.tracking.identity import AROUND_RUNS, CONTENT, MACHINE_SETTINGS

SEED = "seed"
# What a sweep that trains once arranges for the runs that start from those weights.
ARRANGED = ("checkpoint", "stages")
ROOT = "data.root"
CONTENT_DIGITS = 6

# What each run has of one setting, in the order of the runs, in a form that can be compared and hashed.
Values = tuple[Any, ...]


def differing_columns(runs: Sequence[RunRecord]) -> list[str]:
    """Return the groups and dotted keys that tell runs apart, those the user typed first; never `seed`.

    Left out are settings of the machine, and what the columns imply anyway: a choice of `model` stands for the dozen
    settings of its file as long as all runs with this choice agree in them, the choice of `data` for the task it
    brings along, and one of two keys that always hold the same value (`${seed}`) for both. What somebody typed is
    never left out.
    """
    settings = {key for run in runs for key in run.settings}
    table = differing_values(runs, (key for key in settings if not of_the_machine(key)))
    groups = differing_groups(runs, table, settings)
    typed = typed_keys(runs)
    sections = tuple(f"{key}." for key in typed if not any(key in run.choices for run in runs))
    typed_settings = [key for key in table if key not in (SEED, *groups) and f"{key}.".startswith(sections)]
    reasons = [*groups.values()]
    typed_settings = [key for key in typed_settings if key not in ARRANGED or not follows(table[key], reasons)]
    columns = [*principal(groups, typed), *typed_settings]
    settled = [table[key] for key in (SEED, *typed_settings) if key in table]
    open_keys = []
    for key in sorted(table.keys() - {*columns, *groups, SEED}, key=lambda key: (key.count("."), key)):
        if follows(table[key], scope(key, groups, settings)):
            settled.append(table[key])
        else:
            open_keys.append(key)
    for key in open_keys:
        if not any(copies(table[key], other, scope(key, groups, settings)) for other in settled):
            columns.append(key)
        settled.append(table[key])
    order = {key: position for position, key in enumerate(typed)}
    return sorted(dict.fromkeys(columns), key=lambda key: order.get(key, len(order)))


def differing_values(runs: Sequence[RunRecord], keys: Iterable[str]) -> dict[str, Values]:
    """Return the values of those keys that not all runs agree in."""
    found = {}
    for key in keys:
        values = [value_of(run, key) for run in runs]
        if any(value != values[0] or type(value) is not type(values[0]) for value in values):
            kept = tuple(map(comparable, values))
            if len(set(kept)) > 1:
                found[key] = kept
    return found


def comparable(value: Any) -> Any:
    """Return the value as something that can be hashed, in which true is not 1."""
    plain = value is MISSING or value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))
    return value if plain else json.dumps(value, default=str)


def of_the_machine(key: str) -> bool:
    """Return whether a setting says where a run ran, not what it was."""
    return any(key == each or key.startswith(f"{each}.") for each in MACHINE_SETTINGS)


def section(group: str) -> str:
    """Return the prefix of a group's settings: `quantization.backend.`."""
    return group.replace("/", ".") + "."


def differing_groups(
    runs: Sequence[RunRecord], table: Mapping[str, Values], settings: Iterable[str]
) -> dict[str, Values]:
    """Return the groups whose choices differ; not those whose own settings are all the same for it."""
    names = {group for run in runs for group in run.choices if group not in AROUND_RUNS and not of_the_machine(group)}
    if not all(run.choices for run in runs):
        names |= {key.removesuffix("._target_") for key in settings if re.fullmatch(r"\w+\._target_", key)}
    differing = differing_values(runs, names)
    whole = [group for group in differing if not any(key.startswith(section(group)) for key in settings)]
    return {
        group: values
        for group, values in differing.items()
        if group in whole or any(key.startswith(section(group)) for key in table)
    }


def typed_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Return the groups and keys of all command lines, in the order in which they were typed."""
    texts = dict.fromkeys(text for run in runs for text in run.overrides)
    return list(dict.fromkeys(re.split(r"[=@]", text.lstrip("+~"), maxsplit=1)[0] for text in texts))


def principal(groups: Mapping[str, Values], typed: Sequence[str]) -> list[str]:
    """Return the groups whose choices the others follow from: those typed, and what is not decided by them."""
    kept = [group for group in typed if group in groups]
    rank = {group: position for position, group in enumerate(SHOWN)}
    for group in sorted(groups.keys() - {*kept}, key=lambda group: (rank.get(group, len(rank)), group)):
        if not follows(groups[group], [groups[each] for each in kept]):
            kept.append(group)
    return kept


def scope(key: str, groups: Mapping[str, Values], settings: Iterable[str]) -> list[Values]:
    """Return the choices that can decide a setting: of its section's groups, and of those without a section.

    Of a setting that is in no section these are all choices.
    """
    if "." not in key:
        return [*groups.values()]
    return [
        values
        for group, values in groups.items()
        if key.startswith(section(group)) or not any(each.startswith(section(group)) for each in settings)
    ]


def follows(values: Sequence[Any], reasons: Sequence[Values]) -> bool:
    """Return whether runs that agree in all reasons agree in this value; never so without a reason."""
    known: dict[tuple[Any, ...], Any] = {}
    return bool(reasons) and all(
        known.setdefault(reason, value) == value
        for reason, value in zip(zip(*reasons, strict=True), values, strict=True)
    )


def copies(values: Values, other: Values, reasons: Sequence[Values]) -> bool:
    """Return whether a setting has the value of another one wherever it is there, and is absent for a reason."""
    absent = [value is MISSING for value in values]
    pairs = zip(values, other, strict=True)
    if follows(absent, reasons):
        return all(value is MISSING or value == twin for value, twin in pairs)
    return all(value == twin for value, twin in pairs)


def with_places(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, with a place for each content: where the newest run with that content found it.

    Runs with the same files share it, wherever each of them had these files. Where one place held several contents,
    the content stands behind it.
    """
    runs = with_fingerprints(runs)
    places: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: run.started or 0.0):
        if content := run.settings.get(CONTENT):
            places[str(content)] = str(run.settings.get(ROOT, content))
    if len(places) < 2:
        return list(runs)
    shown = {
        content: f"{place} ({content[:CONTENT_DIGITS]})" if list(places.values()).count(place) > 1 else place
        for content, place in places.items()
    }
    return [
        replace(run, settings={**run.settings, CONTENT: shown[str(content)]})
        if (content := run.settings.get(CONTENT))
        else run
        for run in runs
    ]


def with_fingerprints(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs; those that differ in nothing but where their data lay get the samples that they saw as content.

    Published sets, and runs of older versions, have no content in their configuration; what they read, they recorded.
    """
    alike: dict[str, list[RunRecord]] = {}
    for run in runs:
        if run.settings.get(CONTENT) is None and ROOT in run.settings:
            own = {key: value for key, value in run.settings.items() if not of_the_machine(key)}
            alike.setdefault(json.dumps(own, sort_keys=True, default=str), []).append(run)
    found: dict[Path, str] = {}
    for group in alike.values():
        if len({run.settings[ROOT] for run in group}) > 1:
            seen = {run.path: str(read_json(run.path / layout.ENVIRONMENT)[0].get("data") or "") for run in group}
            found |= seen if len(set(seen.values())) > 1 and all(seen.values()) else {}
    return [
        replace(run, settings={**run.settings, CONTENT: found[run.path]}) if run.path in found else run for run in runs
    ]


def label(column: str, columns: Iterable[str] = ()) -> str:
    """Return a column's short name: the last part of its key, as long as no other column has the same."""
    short = shortest(column)
    return column if any(other != column and shortest(other) == short for other in columns) else short


def shortest(column: str) -> str:
    """Return the last part of a group's or a setting's name."""
    return re.split(r"[./]", column.removesuffix("._target_"))[-1]
