"""A table with one column to predict."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from runner.cli.projects.kinds.found import Found, batch_size, described, weights
from runner.data.tables.columns import count_features
from runner.data.tables.delimited import Table, read_table
from runner.data.tables.feature_columns import CATEGORY, Choices, FeatureColumn, counted, plan
from runner.data.tables.table import CsvTable
from runner.errors import RunnerError

REGRESSION, CLASSES, TWO = "regression", "classification", "binary_classification"
# So many different whole numbers, each so often, are taken for classes.
MOST_NUMBERS, ROWS_EACH = 20, 10
NAMED = 30
EPOCHS = "50"


def look(place: Path, target: str | None) -> Found:
    """Return what there is in a table; raises RunnerError where it can't be trained on.

    Args:
        place: the file.
        target: the column to predict; None: the last.
    """
    if place.is_dir():
        raise RunnerError("it is a folder, and a table is one file, CSV or Parquet.")
    table = read_table(place)
    wanted = target or table.columns[-1]
    task = task_of(table.values(wanted))
    missing = missing_of(table, wanted)
    rows = CsvTable(root=str(place), target=wanted, target_kind=task, missing=missing)
    rows.setup()
    size = count_features(place, None, wanted, {"target_kind": task})
    chosen = "" if target else "; --target names another column"
    return Found(
        [
            f"{len(table):,} rows; '{wanted}' is predicted, by task={task}{chosen}.",
            f"Columns: {', '.join(column_words(table, each) for each in rows.columns[:NAMED])}"
            f"{f' and {len(rows.columns) - NAMED:,} more' if len(rows.columns) > NAMED else ''}, {size:,} inputs.",
            *gap_lines(missing),
            *described(rows),
        ],
        {
            "target": json.dumps(wanted, ensure_ascii=False),
            "epochs": EPOCHS,
            "task": task,
            "missing": missing,
            "batch_size": str(batch_size(rows)),
            "more": weights(rows),
        },
    )


def task_of(values: "pa.ChunkedArray") -> str:
    """Return the task for a target: classes where it holds texts, yes and no, or few whole numbers again and again."""
    kind = pa.types
    different = len(pc.unique(values.drop_null()))
    if kind.is_floating(values.type) or kind.is_decimal(values.type):
        return REGRESSION
    if kind.is_integer(values.type) and different * ROWS_EACH > len(values):
        return REGRESSION
    if kind.is_integer(values.type) and different > MOST_NUMBERS:
        return REGRESSION
    return TWO if different == 2 else CLASSES


def missing_of(table: Table, target: str) -> str:
    """Return what to do about gaps: rows without a target are left out; all other gaps are filled in."""
    if gaps(table, target):
        return "drop"
    features, _ = plan(table, Choices(target))
    return "median" if any(gaps(table, column.name) for column in features) else "error"


def gap_lines(missing: str) -> list[str]:
    """Return what happens to gaps."""
    said = {
        "drop": "Some rows have no target: rows with gaps are left out (data.missing=drop).",
        "median": "Gaps are filled by the median of the training split (data.missing=median).",
    }
    return [said[missing]] if missing in said else []


def column_words(table: Table, column: FeatureColumn) -> str:
    """Return a column's name, and in brackets what it is and how many gaps it has."""
    empty = gaps(table, column.name)
    words = f"{len(column.categories):,} categories" if column.kind == CATEGORY else column.kind
    return f"{column.name} ({words}{f', {empty:,} gaps' if empty else ''})"


def gaps(table: Table, name: str) -> int:
    """Return how many cells of a column say nothing."""
    return len(table) - sum(counted(table.values(name), table.dialect.missing_texts).values())
