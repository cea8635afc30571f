"""A table's feature columns as one matrix of float64: numbers, seconds, turns of a cycle, numbers of categories."""

import math
import re
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from runner.data.tables import dates
from runner.data.tables.delimited import Table
from runner.data.tables.feature_columns import BOOLEAN, CATEGORY, DATE, FeatureColumn, counted, first_row
from runner.data.tables.files.written_numbers import floats, is_written, plain, refuse_other_signs
from runner.errors import RunnerError

SHOWN = 3
BLOCK = 4096
TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0}


def raw_columns(table: Table, columns: Sequence[FeatureColumn], date_parts: Sequence[str] = ()) -> Any:
    """Return float64 (n, raw columns); NaN where a cell says nothing.

    Numbers and true and false have one, dates one of seconds since 1970 and one for each part, from 0 to 1 of its
    round; categories one of their numbers, `len(categories)` for any that isn't among them.

    Raises:
        RunnerError: a column is missing, or a cell is no finite number or no date.
    """
    parts: list[Any] = []
    for column in columns:
        values = table.values(column.name)
        if column.kind == CATEGORY:
            parts.append(codes(table, column))
        elif column.kind == DATE:
            stamps = dates_of(table, column)
            parts += [stamps, *(dates.turns(stamps, part) for part in date_parts)]
        else:
            parts.append(finite(table, column, values))
    return side_by_side(parts, len(table))


def side_by_side(parts: Sequence[Any], rows: int) -> Any:
    """Return columns float64 (n,) as one matrix (n, C); block by block, for memory is slow in large steps."""
    whole = np.empty((rows, len(parts)))
    for start in range(0, rows, BLOCK):
        for place, part in enumerate(parts):
            whole[start : start + BLOCK, place] = part[start : start + BLOCK]
    return whole


def finite(table: Table, column: FeatureColumn, values: pa.ChunkedArray) -> Any:
    """Return a column of numbers, float64 (n,); raises RunnerError for the first cell that is no finite number."""
    if pa.types.is_string(values.type):
        values = spoken(table, column, values)
    elif pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        place, cell = table.place(column.name, 0)
        raise RunnerError(f"{place}: '{cell}' is a date, and the column holds numbers.")
    found = floats(values, column.origin)
    if column.kind == BOOLEAN:
        for row in np.flatnonzero(~np.isnan(found) & (found != 0) & (found != 1))[:1]:
            place, cell = table.place(column.name, int(row))
            raise RunnerError(f"{place}: '{cell}' is neither true nor false. Mend it.")
    for row in np.flatnonzero(np.isinf(found))[:1]:
        place, cell = table.place(column.name, int(row))
        raise RunnerError(f"{place}: '{cell}' is no number. Mend it, or leave the column out of data.features.")
    return found


def spoken(table: Table, column: FeatureColumn, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of text as true and false, where it must be that; raises RunnerError where it can't be."""
    missing = table.dialect.missing_numbers
    counts = counted(values, missing)
    wrong = [
        cell
        for cell in counts
        if not (column.kind == BOOLEAN and cell.lower() in TRUTH) and not is_written(cell, table.dialect)
    ]
    if wrong:
        place, cell = table.place(column.name, first_row(table, column.name, wrong[0]))
        refuse_other_signs((place, cell), cell)
        what = "neither true nor false" if column.kind == BOOLEAN else "no number"
        raise RunnerError(f"{place}: '{cell}' is {what}. Mend it, or leave the column out of data.features.")
    meaning = {cell: TRUTH.get(cell.lower(), math.nan) for cell in counts}
    meaning |= {cell: float(plain(cell, table.dialect)) for cell in counts if is_written(cell, table.dialect)}
    return pa.chunked_array([pa.array([meaning.get(cell) for cell in values.to_pylist()], pa.float64())])


def dates_of(table: Table, column: FeatureColumn) -> Any:
    """Return a column of dates as seconds since 1970, float64 (n,); raises RunnerError for what is no date."""
    values = table.values(column.name)
    found = dates.seconds(values, column.written)
    if pa.types.is_string(values.type):
        said = np.asarray([cell not in table.dialect.missing_numbers for cell in values.to_pylist()])
    else:
        said = np.asarray(values.is_valid().to_numpy())
    for row in np.flatnonzero(np.isnan(found) & said)[:1]:
        place, cell = table.place(column.name, int(row))
        raise RunnerError(f"{place}: '{cell}' is no date as the column's others are ({column.written}). Mend it.")
    return found


def codes(table: Table, column: FeatureColumn) -> Any:
    """Return the numbers of a column's categories, float64 (n,)."""
    values = table.values(column.name)
    if pa.types.is_boolean(values.type):
        import pyarrow.compute as pc

        values = pc.if_else(values, "True", "False")
    elif not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    encoded = values.combine_chunks().dictionary_encode()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0)
    place = {category: float(index) for index, category in enumerate(column.categories)}
    place = {cell: place[known] for cell in encoded.dictionary.to_pylist() if (known := as_known(cell, place)) in place}
    missing, other = table.dialect.missing_texts, float(len(column.categories))
    of_cell = [np.nan if cell in missing else place.get(cell, other) for cell in encoded.dictionary.to_pylist()]
    indices = np.asarray(encoded.indices.fill_null(len(of_cell)).to_numpy(zero_copy_only=False))
    return np.asarray([*of_cell, np.nan])[indices]


def as_known(cell: str, known: Container[str]) -> str:
    """Return a category as training knew it: `1.0` may be its `1`, for gaps make other tools write fractions."""
    return cell if cell in known or not re.fullmatch(r"-?\d+\.0+", cell) else cell.partition(".")[0]


def unknown_categories(table: Table, columns: Sequence[FeatureColumn]) -> list[str]:
    """Return a sentence for each column that holds categories which were not there when the network was trained."""
    sentences = []
    for column in columns:
        if column.kind != CATEGORY:
            continue
        counts = counted(table.values(column.name), table.dialect.missing_texts)
        known = set(column.categories)
        if strange := [cell for cell in counts if as_known(cell, known) not in known]:
            shown = ", ".join(f"'{cell}'" for cell in strange[:SHOWN]) + (", …" if len(strange) > SHOWN else "")
            rows = sum(counts[cell] for cell in strange)
            sentences.append(f"{table.path}, column '{column.name}': training never saw {shown} ({rows} rows).")
    return sentences


def refuse_missing(table: Table, names: Sequence[str], gaps: Any, way: str) -> None:
    """Raise RunnerError for the first cell that says nothing.

    Args:
        table: whose places are told.
        names: of the table's column of each raw column.
        gaps: bool (n, raw columns), where nothing is said.
        way: what to do, in a sentence.
    """
    if not gaps.any():
        return
    row = int(gaps.any(axis=1).argmax())
    place, cell = table.place(names[int(gaps[row].argmax())], row)
    rows, several = int(gaps.any(axis=1).sum()), len(set(np.asarray(names)[gaps.any(axis=0)]))
    what = f"'{cell}' is no number and counts as missing" if cell else "the value is missing"
    more = f" ({rows:,} rows have gaps, in {several} columns)" if rows > 1 else ""
    raise RunnerError(f"{place}: {what}{more}. {way}")
