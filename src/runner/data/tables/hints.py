"""Hints: what a column may be meant for, where it is not what it is taken for; said, and nothing is changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runner.data.alike import differ_in_case
from runner.data.tables.delimited import Table

if TYPE_CHECKING:
    import pyarrow as pa

# Texts that begin as numbers do, with a unit or in brackets; but no range as 20-30, no address as 10.0.0.1, no word.
BEGINS_WITH_A_NUMBER = re.compile(r"[(+\\-\u2212$€£]?\d[\d., ]*([^\d\W]{0,3}|[:)°%].*|[eEdD][+-]?\d+)")
# Fewer texts may well be names of sizes.
FEWEST = 3
FIRST_DAY, LAST_DAY = 19_000_101, 21_001_231
SHOWN = 2


def of_column(table: Table, name: str, kind: str) -> list[str]:
    """Return sentences about a column that is taken for numbers, categories, … (`kind`)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table.values(name)
    if pa.types.is_null(values.type) or values.null_count == len(values):
        return []
    if kind == "category" and pa.types.is_string(values.type):
        return of_texts(name, [each for each in pc.unique(values).to_pylist() if each])
    if kind == "number" and pa.types.is_integer(values.type):
        return of_whole_numbers(name, values, table.cells(name))
    return []


def of_texts(name: str, cells: list[str]) -> list[str]:
    """Return sentences about texts that are taken for names."""
    said = []
    if twins := differ_in_case(cells):
        said.append(f"Column '{name}': {twins} differ in capitals only, and each counts by itself.")
    if len(cells) >= FEWEST and all(map(BEGINS_WITH_A_NUMBER.fullmatch, cells)):
        shown = ", ".join(f"'{cell}'" for cell in cells[:SHOWN])
        said.append(
            f"Column '{name}' is taken for names, though its texts look like numbers or dates ({shown}, …). To use "
            "them as such, write plain numbers into the file."
        )
    return said


def of_whole_numbers(name: str, values: pa.ChunkedArray, cells: list[str]) -> list[str]:
    """Return sentences about whole numbers."""
    if led := next((cell for cell in cells if re.fullmatch(r"0\d+", cell)), None):
        return [
            f"Column '{name}' is written with leading zeros ('{led}'), as codes are, and taken for numbers. "
            f"data.categorical=[{name}] takes them for names."
        ]
    if are_days(values):
        return [
            f"Column '{name}' holds numbers such as {values[0].as_py()}, which look like dates and are taken for "
            "numbers. data.date_format=%Y%m%d takes them for dates."
        ]
    return []


def are_days(values: pa.ChunkedArray) -> bool:
    """Return whether whole numbers are days written as 20240131."""
    import pyarrow.compute as pc

    least, most = pc.min_max(values).as_py().values()
    if least < FIRST_DAY or most > LAST_DAY or least == most:
        return False
    numbers: Any = values.drop_null().to_numpy()
    months, days = numbers // 100 % 100, numbers % 100
    return bool(((months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)).all())
