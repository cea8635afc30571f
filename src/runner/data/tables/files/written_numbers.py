"""Numbers as people write them: decimal commas, signs between thousands; recognised, or told with the setting."""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runner.data.tables.files.dialect import Dialect, Shape
from runner.errors import RunnerError

SAMPLE = 10_000
# A sign may be the typographic minus that word processors write.
SIGN = "[+\\-\u2212]?"
WHOLE = rf"{SIGN}\d+"
BLANKS = " \u00a0\u202f"
# Signs that people put between groups of three digits.
GROUP_SIGNS = ",.' _\u00a0\u202f\u2019"
Parse = Callable[[Path, bytes, Shape, Dialect, Collection[str]], pa.Table]


def understood(
    path: Path, content: bytes, shape: Shape, dialect: Dialect, text: Collection[str], parse: Parse
) -> tuple[pa.Table, Dialect, list[str]]:
    """Parse a text; return its columns, how numbers are written in it, and notes.

    Where cells aren't divided by commas, a decimal comma is recognised by columns that hold nothing else than numbers
    written with one.
    """
    columns, notes = parse(path, content, shape, dialect, text), []
    if dialect.decimal is None and dialect.thousands is None and shape.delimiter != ",":
        found = signs(columns, dialect, text)
        if found is not None:
            dialect = replace(dialect, decimal=found[0], thousands=found[1])
            columns = parse(path, content, shape, dialect, text)
            grouped = f", '{found[1]}' between thousands" if found[1] else ""
            notes.append(f"{path} writes numbers with a decimal comma{grouped}; data.decimal says otherwise.")
    return converted(columns, dialect, text), dialect, notes


def signs(columns: pa.Table, dialect: Dialect, text: Collection[str]) -> tuple[str, str | None] | None:
    """Return the decimal comma, and the sign between thousands if there is one; None where nothing tells of it.

    "2,033" may be either; it tells nothing. "2,07" or "1.234,5" does.
    """
    comma, signs_found = False, set[str]()
    for name in text_columns(columns, text):
        cells = sample(columns.column(name), dialect)
        group = rf"[.'{BLANKS}\u2019]"
        pattern = re.compile(rf"{WHOLE}(,\d+)?([eE][+-]?\d+)?|{SIGN}\d{{1,3}}({group}\d{{3}})+(,\d+)?")
        if not cells or not all(pattern.fullmatch(cell) for cell in cells):
            continue
        decimals = [cell.rpartition(",")[2] for cell in cells if "," in cell]
        between = {" " if sign in BLANKS else sign for cell in cells for sign in re.findall(group, cell)}
        comma = comma or any(len(digits) != 3 for digits in decimals)
        comma = comma or any("," in cell and re.search(group, cell) for cell in cells)
        signs_found |= between
    return (",", next(iter(signs_found), None)) if comma and len(signs_found) < 2 else None


def converted(columns: pa.Table, dialect: Dialect, text: Collection[str]) -> pa.Table:
    """Return the columns with texts that are all numbers as numbers: with blanks around, or signs between thousands."""
    for name in text_columns(columns, text):
        values = columns.column(name)
        cells = sample(values, dialect)
        if cells and all(is_written(cell, dialect) for cell in cells):
            numbers = as_numbers(values, dialect)
            if numbers is not None:
                columns = columns.set_column(columns.column_names.index(name), name, numbers)
    return columns


def as_numbers(values: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray | None:
    """Return texts as numbers, whole ones where all are; None where one is no number."""
    distinct = pc.dictionary_encode(values).combine_chunks()
    distinct = distinct if isinstance(distinct, pa.DictionaryArray) else distinct.chunk(0)
    missing, found = set(dialect.missing_numbers), []
    for cell in distinct.dictionary.to_pylist():
        if cell not in missing and not is_written(cell, dialect):
            return None
        found.append(None if cell in missing else plain(cell, dialect))
    whole = all(each is None or (re.fullmatch(WHOLE, each) and abs(int(each)) < 2**63) for each in found)
    kind = pa.int64() if whole else pa.float64()
    numbers = [None if each is None else (int(each) if whole else float(each)) for each in found]
    return pa.chunked_array([pa.array(numbers, kind).take(distinct.indices)])


def is_written(cell: str, dialect: Dialect) -> bool:
    """Return whether a cell is a number by the settings: groups of three digits where thousands have a sign."""
    point, sign = re.escape(dialect.decimal or "."), re.escape(dialect.thousands or "")
    sign = f"[{BLANKS}]" if dialect.thousands == " " else sign
    grouped = rf"|\d{{1,3}}({sign}\d{{3}})+({point}\d*)?" if sign else ""
    return re.fullmatch(rf"{SIGN}(\d+({point}\d*)?|{point}\d+{grouped})([eE][+-]?\d+)?", cell) is not None


def plain(cell: str, dialect: Dialect) -> str:
    """Return a number that `is_written` as Python writes it."""
    for sign in BLANKS if dialect.thousands == " " else (dialect.thousands or "",):
        cell = cell.replace(sign, "")
    return cell.replace(dialect.decimal or ".", ".").replace("\u2212", "-")


def refuse_other_signs(place: tuple[str, str], cell: str) -> None:
    """Raise RunnerError for a cell that is a number if only the signs in it were known, with the settings for it."""
    where = f"{place[0]}: '{cell}' is no number as it stands"
    for sign in GROUP_SIGNS:
        if re.fullmatch(rf"[+-]?\d{{1,3}}({re.escape(sign)}\d{{3}})+([.,]\d+)?", cell) and sign != ".":
            whole = cell.replace(sign, "")
            word = {**dict.fromkeys(BLANKS, "space"), ",": "comma", "'": "apostrophe", "_": "underscore"}.get(
                sign, f"'{sign}'"
            )
            other = (
                f" data.decimal=comma reads {cell.replace(',', '.')}." if re.fullmatch(r"[+-]?\d+,\d+", cell) else ""
            )
            raise RunnerError(f"{where}. data.thousands={word} reads {whole}.{other}")
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell):
        raise RunnerError(
            f"{where}. data.decimal=comma data.thousands=point reads {cell.replace('.', '').replace(',', '.')}."
        )
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", cell):
        raise RunnerError(f"{where}. data.decimal=comma reads {cell.replace(',', '.')}.")
    if re.fullmatch(r"[+-]?[$€£]? ?\d[\d.,]* ?[%$€£]?", cell) and re.search(r"[%$€£]", cell):
        raise RunnerError(f"{where}. Take the sign off in the whole column, or leave it out of data.features.")
    if re.fullmatch(r"[+-]?\d+(_\d+)+", cell):
        raise RunnerError(f"{where}. Mend it, or leave the column out of data.features.")


def text_columns(columns: pa.Table, text: Collection[str]) -> list[str]:
    """Return the names of columns that Arrow read as text though they need not be."""
    return [each.name for each in columns.schema if pa.types.is_string(each.type) and each.name not in text]


def sample(values: pa.ChunkedArray, dialect: Dialect) -> list[str]:
    """Return the different texts that are not missing among the first rows of a column."""
    missing: set[Any] = {None, *dialect.missing_numbers}
    return [cell for cell in pc.unique(values.slice(0, SAMPLE)).to_pylist() if cell not in missing]


def floats(values: pa.ChunkedArray, origin: int = 0) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return numbers, true and false or times of day as float64 (n,), minus `origin`; missing ones are NaN."""
    kind = pa.types
    if kind.is_null(values.type):
        return np.full(len(values), np.nan)
    if kind.is_boolean(values.type):
        values = values.cast(pa.int8())
    elif kind.is_time(values.type):
        seconds = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[values.type.unit]
        counts = values.cast(pa.int32() if kind.is_time32(values.type) else pa.int64())
        return floats(counts) / seconds
    if origin and kind.is_integer(values.type):
        try:
            values, origin = pc.subtract_checked(values, pa.scalar(origin, values.type)), 0
        except (pa.ArrowInvalid, OverflowError):  # beyond what 64 bits hold: Python's numbers have no end
            exact = [math.nan if each is None else float(each - origin) for each in values.to_pylist()]
            return np.asarray(exact, dtype=np.float64)
    if values.null_count and kind.is_integer(values.type):
        values = values.cast(pa.float64(), safe=False)
    found = np.asarray(values.to_numpy(), dtype=np.float64)
    return found - origin if origin else found
