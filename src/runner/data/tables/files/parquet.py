"""Parquet and Feather files, whose columns have types already."""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from runner.errors import RunnerError


def read_columns(path: Path, text: Collection[str] = ()) -> pa.Table:
    """Return the columns of a file, categories and long texts as text, those named in `text` too.

    Raises:
        RunnerError: the file is damaged, or a column holds lists, records or bytes.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet

            columns = pyarrow.parquet.read_table(path)
        else:
            import pyarrow.feather

            columns = pyarrow.feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise RunnerError(f"{path} can't be read as a table ({error}). Write the file again.") from error
    for place, name in enumerate(columns.column_names):
        columns = columns.set_column(
            place, renamed(name, place), plain(path, name, columns.column(place), name in text)
        )
    return columns


def renamed(name: str, place: int) -> str:
    """Return a column's name; pandas' index, which it keeps as a column of its own, is nameless."""
    return f"Unnamed: {place}" if not name.strip() or name.startswith("__index_level_") else name.strip()


def plain(path: Path, name: str, values: pa.ChunkedArray, as_text: bool) -> pa.ChunkedArray:
    """Return a column as one of the types that delimited text has; raises RunnerError where there is none."""
    kind = pa.types
    if kind.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kind.is_decimal(values.type) or kind.is_float16(values.type):
        values = values.cast(pa.float64())
    if kind.is_large_string(values.type) or kind.is_string_view(values.type):
        values = values.cast(pa.string())
    simple = (
        *(kind.is_string, kind.is_integer, kind.is_floating, kind.is_boolean, kind.is_null),
        *(kind.is_date, kind.is_timestamp, kind.is_time),
    )
    if not any(check(values.type) for check in simple):
        raise RunnerError(
            f"{path}, column '{name}': holds {values.type}, which is neither number, text, date nor true and false. "
            "Leave the column out of the file."
        )
    return values.cast(pa.string()) if as_text and not kind.is_string(values.type) else values
