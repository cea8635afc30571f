"""Columns that name or count the rows, so that a network could only learn them by heart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runner.data.tables.delimited import Table, unusable

if TYPE_CHECKING:
    import pyarrow as pa

# Words in a name that say: this is no measurement. `id`, `PassengerId`, `user_id`, `row no.`, `index`, `uuid`, …
WORDS = {"id", "ids", "idx", "index", "uuid", "guid", "key", "nr", "no", "row", "rownum", "serial", "record", "#"}
JOINED = re.compile(r"(user|row|customer|client|patient|sample|item|order|record|case|subject|image|product)id")
UNNAMED = re.compile(r"Unnamed: \d+(\.\d+|_level_\d+)?|level_\d+")
# Numbers with signs that `written_numbers` tells about.
WRITTEN_NUMBER = re.compile(r"[+-]?[$€£]? ?\d[\d.,' _]*[%$€£]?")
LONG_NUMBER = re.compile(r"[+-]?\d{19,}")
# As many rows as make chance unlikely: a column of so few may count by itself.
ROWS_TO_COUNT = 50
ROWS_OF_TEXT = 10
MOSTLY_DIFFERENT = 0.5


def reason_to_leave_out(table: Table, name: str) -> str | None:
    """Return why a column says nothing about other rows, as the end of a sentence; None where it may.

    An unnamed column of different whole numbers, a column named as an identifier whose values all differ, one that
    counts the rows one by one, and texts that are (nearly) all different.
    """
    import pyarrow as pa

    if what := unusable(table.data.schema.field(name).type):
        return what
    values = table.values(name)
    if pa.types.is_floating(values.type) and is_too_long(table.cells(name)):
        return "holds whole numbers of so many digits that most are lost, as identifiers have"
    whole, text = pa.types.is_integer(values.type), pa.types.is_string(values.type)
    if len(values) < 2 or not (whole or text):
        return None
    if whole:
        return of_numbers(name, values)
    return of_texts(name, values, table.dialect.missing_texts)


def is_too_long(cells: list[str]) -> bool:
    """Return whether numbers are written with more digits than 64 bits hold: nothing that is measured has so many."""
    known = [cell for cell in cells if LONG_NUMBER.fullmatch(cell)]
    return bool(known) and len(known) > len(cells) / 2


def of_numbers(name: str, values: pa.ChunkedArray) -> str | None:
    """Return why a column of whole numbers says nothing."""
    import numpy as np

    if values.null_count or len(values) < 2:
        return None
    numbers: Any = values.to_numpy()
    if UNNAMED.fullmatch(name):
        return "has no name and numbers the rows" if len(np.unique(numbers)) == len(numbers) else None
    if len(numbers) >= ROWS_TO_COUNT and (counts_by(numbers, 1) or counts_by(numbers, -1)):
        return "counts the rows"
    if is_name_of_identifiers(name) and len(np.unique(numbers)) == len(numbers) and len(numbers) >= ROWS_OF_TEXT:
        return "has another number in every row, as identifiers have"
    return None


def of_texts(name: str, values: pa.ChunkedArray, missing: tuple[str, ...]) -> str | None:
    """Return why a column of texts says nothing; dates and written numbers are looked at elsewhere."""
    import pyarrow.compute as pc

    from runner.data.tables import dates
    from runner.data.tables.labels import number

    different = [each for each in pc.unique(values).to_pylist() if each is not None and each not in missing]
    if len(values) < ROWS_OF_TEXT or len(different) <= MOSTLY_DIFFERENT * len(values):
        return None
    if sum(map(dates.looks_like_one, different)) > len(different) / 2:
        return None
    numbers = [number(each) is not None or bool(WRITTEN_NUMBER.fullmatch(each)) for each in different]
    if sum(numbers) > len(different) / 2:
        return None
    if len(different) == len(values):
        return "has another text in every row, as names and identifiers have"
    return f"has {len(different):,} different texts in {len(values):,} rows, as names and remarks have"


def counts_by(numbers: Any, step: int) -> bool:
    """Return whether every number is its predecessor plus `step`."""
    first = int(numbers[0])
    if int(numbers[-1]) - first != step * (len(numbers) - 1):
        return False
    return bool((numbers[1:] - numbers[:-1] == step).all())


def is_name_of_identifiers(name: str) -> bool:
    """Return whether a column's name says that it identifies rows."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|#", name)]
    return any(word in WORDS or JOINED.fullmatch(word) for word in words)
