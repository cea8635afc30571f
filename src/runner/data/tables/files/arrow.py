"""Arrow's reader of delimited text, and what it is told when it stumbles."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from runner.data.tables.files.dialect import Dialect, Shape, records
from runner.errors import RunnerError

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
LARGEST_BLOCK = (1 << 31) - 1


def parse(path: Path, content: bytes, shape: Shape, dialect: Dialect, text: Collection[str]) -> pa.Table:
    """Return the rows of a text in UTF-8 as columns: whole numbers, numbers, true and false, dates, times, text.

    Raises:
        RunnerError: a row is shorter or longer than the header, or the text is no table.
    """
    quoted = b'"' in content
    # A quote behind blanks opens no field for Arrow; Python's reader knows better.
    if quoted and shape.delimiter != " " and f'{shape.delimiter} "'.encode() in content:
        content, shape = rewritten(path, content, shape)
    try:
        columns = attempt(content, shape, dialect, text, quoted=quoted)
    except pa.ArrowInvalid as error:
        if "conversion error" in str(error):  # a later block holds what the first did not
            return stripped(attempt(content, shape, dialect, text, quoted=quoted, whole=True))
        content, shape = rewritten(path, content, shape)
        try:
            columns = attempt(content, shape, dialect, text, quoted=True, whole=True)
        except pa.ArrowInvalid as again:
            raise RunnerError(f"{path} can't be read as a table ({again}). Save it as CSV in UTF-8.") from again
    return stripped(columns)


def attempt(
    content: bytes, shape: Shape, dialect: Dialect, text: Collection[str], *, quoted: bool, whole: bool = False
) -> pa.Table:
    """Return what Arrow makes of a text; types are told by the first block, with `whole` by everything."""
    block = {"block_size": min(max(len(content), 1), LARGEST_BLOCK)} if whole or len(content) < 1 << 22 else {}
    as_text = [name for name in shape.columns if name in text]
    return arrow_csv.read_csv(
        pa.BufferReader(pa.py_buffer(content).slice(shape.start)),
        read_options=arrow_csv.ReadOptions(column_names=list(shape.columns), **block),
        parse_options=arrow_csv.ParseOptions(
            delimiter=shape.delimiter, newlines_in_values=quoted, quote_char='"' if quoted else False
        ),
        convert_options=arrow_csv.ConvertOptions(
            null_values=list(dialect.missing_numbers),
            true_values=TRUE,
            false_values=FALSE,
            decimal_point=dialect.decimal or ".",
            column_types=dict.fromkeys(as_text, pa.string()),
        ),
    )


def rewritten(path: Path, content: bytes, shape: Shape) -> tuple[bytes, Shape]:
    """Return the rows written anew with nothing that makes Arrow stumble; raises RunnerError for a ragged row."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=shape.delimiter, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    try:
        for line, cells in records(content, shape):
            if len(cells) != len(shape.columns):
                raise RunnerError(
                    f"{path}, line {line}: {len(cells)} values, but the header names {len(shape.columns)} columns. "
                    f"Mend the line{hint_of(shape)}."
                )
            writer.writerow(cells)
    except csv.Error as error:
        raise RunnerError(f"{path} can't be read as a table ({error}). Save it as CSV in UTF-8.") from error
    return stream.getvalue().encode(), Shape(shape.delimiter, shape.columns, 0, 0)


def hint_of(shape: Shape) -> str:
    """Return what else may help: the sign between cells may have been taken for another one."""
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    return f", or set data.delimiter if cells aren't divided by {names.get(shape.delimiter, repr(shape.delimiter))}"


def stripped(columns: pa.Table) -> pa.Table:
    """Return the columns with blanks around texts taken off, and without rows in which every cell is empty."""
    for place, name in enumerate(columns.column_names):
        values = columns.column(place)
        if pa.types.is_string(values.type):
            columns = columns.set_column(place, name, pc.utf8_trim_whitespace(values))
    return without_empty_rows(columns)


def without_empty_rows(columns: pa.Table) -> pa.Table:
    """Return the columns without rows that hold nothing at all."""
    kept = None
    for values in columns.columns:
        if pa.types.is_string(values.type):
            filled = pc.not_equal(values, "")
        elif values.null_count == 0:
            return columns
        else:
            filled = values.is_valid()
        kept = filled if kept is None else pc.or_(kept, filled)
    return columns.filter(kept) if kept is not None and not pc.all(kept).as_py() else columns
