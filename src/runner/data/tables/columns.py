"""Sizes that only a table tells, found without importing torch; configurations reach them by resolvers."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.data.tables.delimited import Table, read_table
from runner.data.tables.feature_columns import Choices, plan
from runner.data.tables.files.dialect import Dialect

DIALECT = ("delimiter", "decimal", "thousands", "encoding", "header", "missing_values")
CHOICES = ("categorical", "date_format", "date_parts", "max_categories")
# A table that was read for its sizes is handed to whoever reads it next, unless it has changed since.
_last: dict[Any, Table] = {}


def settings_of(data: Mapping[str, Any], features: Iterable[str] | None, target: str) -> tuple[Dialect, Choices]:
    """Return how a table is read and what is made of its columns, of a section `data`; absent keys are the default.

    Raises:
        RunnerError: a setting means nothing.
    """
    given = {key: data[key] for key in (*DIALECT, *CHOICES) if data.get(key) is not None}
    for key in ("missing_values", "categorical", "date_parts"):
        if key in given:
            given[key] = names_of(given[key])
    dialect = Dialect(**{key: value for key, value in given.items() if key in DIALECT})
    named = names_of(features) if features is not None else None
    return dialect, Choices(str(target), named, **{key: value for key, value in given.items() if key in CHOICES})


def names_of(values: Any) -> tuple[str, ...]:
    """Return names as text, a single one too."""
    return tuple(str(each) for each in ([values] if isinstance(values, (str, int, float)) else values))


def text_columns(choices: Choices, target_kind: str) -> tuple[str, ...]:
    """Return the columns that are read as text: categories, and a target of classes, whose labels stay as written."""
    return choices.categorical if target_kind == "regression" else (*choices.categorical, choices.target)


def remembered_table(path: str | Path, dialect: Dialect, text: Collection[str]) -> Table:
    """Return the table; the last one is kept, for a configuration asks for several sizes of it, and a run reads it."""
    file = Path(path)
    state = (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
    key = (str(file.absolute()), state, dialect, tuple(sorted(text)))
    if key not in _last:
        table = read_table(file, dialect, text)
        _last.clear()
        _last[key] = table
    return replace(_last[key], path=file)


def forget() -> None:
    """Let go of the table that was kept."""
    _last.clear()


def count_features(
    path: str | Path, features: Iterable[str] | None, target: str, data: Mapping[str, Any] | None = None
) -> int:
    """Count the inputs that a table's feature columns become: the named ones, or all but `target` and identifiers.

    Args:
        data: further settings of the section `data`.

    Raises:
        RunnerError: the file or a column is missing, or the table can't be used.
    """
    data = data or {}
    dialect, choices = settings_of(data, features, target)
    table = remembered_table(path, dialect, text_columns(choices, str(data.get("target_kind", "classification"))))
    return sum(column.width(choices.date_parts) for column in plan(table, choices)[0])


def count_classes_in_column(
    path: str | Path, target: str, target_kind: str = "classification", data: Mapping[str, Any] | None = None
) -> int | None:
    """Count the different values of the column `target`; None for regression, where they aren't classes.

    Raises:
        RunnerError: the file or the column is missing, or the column holds no labels.
    """
    dialect, choices = settings_of(data or {}, None, target)
    table = remembered_table(path, dialect, text_columns(choices, target_kind))
    table.position(target)
    if target_kind == "regression":
        return None
    from runner.data.tables.targets import classes_of

    names = classes_of(table, target).names
    return len(names or ())
