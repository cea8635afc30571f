"""A table in memory as Arrow's columns: read from delimited text (CSV, TSV) or Parquet, and checked for shape."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from runner.data.tables.files.content import read_content
from runner.data.tables.files.dialect import HEAD, Dialect, Shape, records, shape_of
from runner.errors import RunnerError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNAR = (".parquet", ".pq", ".feather", ".arrow")
SHOWN = 30
# So many rows are looked at as they are written.
LOOKED_AT = 200


@dataclass
class Table:
    """Columns by name, in the file's order, as Arrow understood them; texts are stripped.

    Attributes:
        path: the file.
        data: the columns.
        dialect: how the file was read, decimal and thousands signs as they were found.
        notes: what was guessed, in sentences.
        written: the cells of the first rows as they are written; of Parquet files none.
    """

    path: Path
    data: pa.Table
    dialect: Dialect
    notes: list[str] = field(default_factory=list)
    written: list[list[str]] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; an unnamed one is called `Unnamed: 0`, by its place."""
        return tuple(self.data.column_names)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def position(self, column: str) -> int:
        """Return where a column stands, counted from 0; raises RunnerError with the nearest names."""
        if column in self.columns:
            return self.columns.index(column)
        listed = ", ".join(self.columns[:SHOWN]) + (" …" if len(self.columns) > SHOWN else "")
        same = [name for name in self.columns if name.casefold() == column.strip().casefold()]
        hint = f" Did you mean {', '.join(same)}?" if same else did_you_mean(column, self.columns)
        if not hint and self.dialect.header and all(map(is_number, self.columns)):
            hint = " Its first line holds numbers only: without a header line, data.header=false names the columns."
        if len(self.columns) == 1 and len(self.columns[0].split()) > 1:
            hint = " Where blanks divide the cells, set data.delimiter=space."
        raise RunnerError(f"{self.path} has no column '{column}'.{hint} Its columns: {listed}.")

    def values(self, column: str) -> pa.ChunkedArray:
        """Return a column as Arrow understood it; raises RunnerError for one of lists, records or bytes."""
        values = self.data.column(self.position(column))
        if what := unusable(values.type):
            raise RunnerError(f"{self.path}, column '{column}': {what}. Leave the column out of data.features.")
        return values

    def cells(self, column: str) -> list[str]:
        """Return what is written in the first rows of a column; nothing of Parquet files."""
        position = self.position(column)
        return [row[position].strip() for row in self.written if position < len(row)]

    def column(self, column: str) -> list[str]:
        """Return all values of one column as text, stripped; the empty text where there is none."""
        return [str(each) for each in texts(self.values(column)).to_pylist()]

    @cached_property
    def lines(self) -> list[int]:
        """The line of each row; of Parquet files its number."""
        return [line for line, _ in self._records()]

    def place(self, column: str, row: int) -> tuple[str, str]:
        """Return where a cell stands, in words, and what is written there."""
        number, position = row + 1, self.position(column)
        for index, (line, cells) in enumerate(self._records()):
            if index == row:
                text = cells[position].strip() if position < len(cells) else ""
                return f"{self.path}, line {line}, column '{column}'", text
        text = "" if self.path.suffix.lower() not in COLUMNAR else str(self.values(column)[row].as_py() or "")
        return f"{self.path}, row {number}, column '{column}'", text

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of the rows as they are written; those that hold nothing were never read."""
        import pyarrow as pa

        if self.path.suffix.lower() in COLUMNAR:
            return
        content, _ = read_text(self.path, self.dialect)
        shape = shape_of(content, self.dialect)
        nothing = [
            {""} if pa.types.is_string(each) else set(self.dialect.missing_numbers) for each in self.data.schema.types
        ]
        for line, cells in records(content, shape) if shape is not None else ():
            if not all(cell.strip() in words for cell, words in zip(cells, nothing, strict=False)):
                yield line, cells


def read_table(path: str | Path, dialect: Dialect | None = None, text: Collection[str] = ()) -> Table:
    """Read a delimited text, or a Parquet or Feather file.

    Args:
        path: `.csv`, `.tsv` and other text, also inside of `.gz`, `.bz2`, `.xz` or `.zip`; `.parquet`, `.feather`.
        dialect: what is known of it; null settings are found out.
        text: columns whose values stay text even where they look like numbers.

    Raises:
        RunnerError: the file is missing, empty, no table, or has a row that is shorter or longer than the header.
    """
    path, dialect = Path(path), dialect or Dialect()
    if not path.is_file():
        raise RunnerError(f"No such table: {path}. Set data.root to a CSV or Parquet file with named columns.")
    if path.suffix.lower() in COLUMNAR:
        from runner.data.tables.files.parquet import read_columns

        return checked(Table(path, read_columns(path, text), dialect))
    content, notes = read_text(path, dialect)
    try:
        shape = shape_of(content, dialect)
    except csv.Error as error:
        raise RunnerError(f"{path} can't be read as a table ({error}). Save it as CSV in UTF-8.") from error
    if shape is None:
        raise RunnerError(f"{path} is empty. It needs a header line and rows.")
    names = named(path, shape.columns, dialect)
    if not re.compile(rb"\S").search(content, shape.start):  # a slice would copy the file
        raise RunnerError(f"{path} has a header line and no rows. Add rows.")

    from runner.data.tables.files.arrow import parse
    from runner.data.tables.files.written_numbers import understood

    if shape.comments:
        notes.append(f"{path} begins with lines of remarks (#), which are skipped: {shape.comments}.")
    body = Shape(shape.delimiter, names, shape.start, shape.line)
    data, found, words = understood(path, content, body, dialect, text, parse)
    first = [cells for _, cells in islice(records(content[: shape.start + HEAD], body), LOOKED_AT)]
    return checked(Table(path, data, found, [*notes, *words], first))


def read_text(path: Path, dialect: Dialect) -> tuple[bytes, list[str]]:
    """Return a file's text in UTF-8, of several blanks between cells one, and notes; see `read_content`."""
    content, notes = read_content(path, dialect.encoding)
    if dialect.delimiter == " " and b'"' not in content:
        content = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", content)
        content = re.sub(rb"[ \t]+", b" ", content)
    return content, notes


def unusable(type_: pa.DataType) -> str | None:
    """Return what is wrong with a type of values that no network can be given, as the end of a sentence."""
    from runner.data.tables.files.parquet import is_usable

    return None if is_usable(type_) else f"holds {type_}, which is neither number, text, date nor true and false"


def checked(table: Table) -> Table:
    """Return the table; raises RunnerError where it has no rows, or names a column twice."""
    repeated(table.path, table.columns)
    if not len(table):
        raise RunnerError(f"{table.path} has a header line and no rows. Add rows.")
    return table


def named(path: Path, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, ...]:
    """Return the columns' names, the nameless by their place; raises RunnerError for one that is there twice."""
    names = tuple(name or f"Unnamed: {place}" for place, name in enumerate(columns))
    numbers = dialect.header and all(map(is_number, names))
    repeated(
        path, names, " The first line holds numbers only: is it a header? If not, set data.header=false." * numbers
    )
    return names


def repeated(path: Path, names: tuple[str, ...], hint: str = "") -> None:
    """Raise RunnerError for names that occur more than once."""
    seen: set[str] = set()
    twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
    if twice:
        raise RunnerError(f"{path} has more than one column named {', '.join(twice)}. Rename them.{hint}")


def is_number(text: str) -> bool:
    """Return whether a text is a number as Python reads it, but for underscores."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return any column as text: of true and false `True`, `False`, of missing values the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        values = pc.if_else(values, "True", "False")
    return pc.fill_null(values.cast(pa.string()), "")
