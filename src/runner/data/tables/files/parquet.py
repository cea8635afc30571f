"""Parquet and Feather files, whose columns have types already."""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from runner.errors import RunnerError


def read_columns(path: Path, text: Collection[str] = ()) -> pa.Table:
    """Return the columns of a file, categories and long texts as text, those named in `text` too.

    Texts are stripped, spans of time are seconds; lists, records and bytes stay what they are.

    Raises:
        RunnerError: the file is damaged.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet

            columns = pyarrow.parquet.ParquetFile(path).read()
        else:
            import pyarrow.feather

            columns = pyarrow.feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise RunnerError(f"{path} can't be read as a table ({error}). Write the file again.") from error
    for place, name in enumerate(columns.column_names):
        columns = columns.set_column(place, renamed(name, place), plain(columns.column(place), name in text))
    return columns


def renamed(name: str, place: int) -> str:
    """Return a column's name; pandas' index, which it keeps as a column of its own, is nameless."""
    return f"Unnamed: {place}" if not name.strip() or name.startswith("__index_level_") else name.strip()


def plain(values: pa.ChunkedArray, as_text: bool) -> pa.ChunkedArray:
    """Return a column as one of the types that delimited text has, where there is one."""
    kind = pa.types
    if kind.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kind.is_decimal(values.type) or kind.is_float16(values.type):
        values = values.cast(pa.float64())
    if kind.is_duration(values.type):
        units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
        values = pc.divide(values.cast(pa.int64()).cast(pa.float64(), safe=False), float(units[values.type.unit]))
    if kind.is_large_string(values.type) or kind.is_string_view(values.type):
        values = values.cast(pa.string())
    if as_text and is_usable(values.type) and not kind.is_string(values.type):
        values = values.cast(pa.string())
    return pc.utf8_trim_whitespace(values) if kind.is_string(values.type) else values


def is_usable(type_: pa.DataType) -> bool:
    """Return whether a network can be given values of a type."""
    kind = pa.types
    return any(
        check(type_)
        for check in (
            *(kind.is_string, kind.is_integer, kind.is_floating, kind.is_boolean, kind.is_null),
            *(kind.is_date, kind.is_timestamp, kind.is_time),
        )
    )
