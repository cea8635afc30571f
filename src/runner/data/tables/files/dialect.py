"""How a table's file is written: settings of the user's, and what is found out where they say nothing."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.errors import RunnerError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "\\t": "\t"}
# Which is meant where several would do: commas stand in sentences and numbers, tabs hardly anywhere.
GUESSED = "\t;|,"
THOUSANDS = {"comma": ",", "point": ".", "space": " ", "apostrophe": "'", "underscore": "_"}
DECIMALS = {"comma": ",", "point": "."}
# Cells of numbers and dates that say: nothing is known. `?` and `-` are words of old collections.
MISSING = (
    *("", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
    *("NULL", "Null", "null", "None", "none", "?", "-", "--", ".", "1.#QNAN", "#DIV/0!"),
)
# Cells of text that say so; `none`, `-` and `.` may well be a category.
MISSING_TEXT = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "?")
HEAD = 1 << 18
RECORDS = 200
SEPARATOR_LINE = re.compile(rb'^"?sep=(.)"?[\t ]*(?:\r\n|\n|\r|$)', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """What the user says about the file; null is found out.

    Attributes:
        delimiter: between cells: one character, or comma, semicolon, tab, pipe, space.
        decimal: `.` or `,` (point, comma).
        thousands: between groups of three digits: one character, or comma, point, space, apostrophe, underscore.
        encoding: as Python names it.
        header: whether the first line holds the names; without it columns are column_1, column_2, ….
        missing_values: words of cells that say nothing; the empty cell always does.

    Raises:
        RunnerError: a setting means nothing.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    header: bool = True
    missing_values: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self._spell("delimiter", DELIMITERS, any_character=True)
        self._spell("decimal", DECIMALS)
        self._spell("thousands", THOUSANDS, any_character=True)
        if self.missing_values is not None:
            words = tuple(str(word) for word in self.missing_values)
            object.__setattr__(self, "missing_values", words)
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise RunnerError(
                f"data.thousands={self.thousands} is the decimal sign as well. Set data.decimal=comma or point."
            )

    def _spell(self, name: str, words: dict[str, str], *, any_character: bool = False) -> None:
        value = getattr(self, name)
        if value is None:
            return
        sign = words.get(str(value), str(value))
        if len(sign) != 1 or sign in '"\r\n' or not (any_character or sign in words.values()):
            known = ", ".join(word for word in words if word.isalpha())
            raise RunnerError(f"data.{name}={value}: must be {'one character or ' if any_character else ''}{known}.")
        object.__setattr__(self, name, sign)

    @property
    def missing_numbers(self) -> tuple[str, ...]:
        """Words of cells in columns of numbers or dates that say nothing."""
        return MISSING if self.missing_values is None else ("", *self.missing_values)

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """Words of cells in columns of text that say nothing."""
        return MISSING_TEXT if self.missing_values is None else ("", *self.missing_values)


@dataclass(frozen=True)
class Shape:
    """What a delimited text looks like.

    Attributes:
        delimiter: between cells.
        columns: names, stripped.
        start: byte at which the rows begin.
        line: number of the line before the rows.
        comments: lines of remarks before the header.
    """

    delimiter: str
    columns: tuple[str, ...]
    start: int
    line: int
    comments: int = 0


def shape_of(content: bytes, dialect: Dialect) -> Shape | None:
    """Return the shape of a text in UTF-8; None where it holds nothing.

    A first line `sep=;`, as spreadsheets write it, names the separator; blank lines before the header count nothing,
    nor do lines of remarks, which begin with `#`.
    """
    start, line, named = 0, 0, None
    if found := SEPARATOR_LINE.match(content):
        start, line, named = found.end(), 1, found.group(1).decode(errors="replace")
    start, comments = behind_comments(content, start, dialect)
    line += comments
    delimiter = dialect.delimiter or named or guess_delimiter(content[start : start + HEAD])
    lines = Lines(content, start)
    for record in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " "):
        if any(cell.strip() for cell in record):
            if dialect.header:
                names = tuple(cell.strip() for cell in record)
                return Shape(delimiter, names, lines.position, line + lines.count, comments)
            names = tuple(f"column_{number}" for number in range(1, len(record) + 1))
            return Shape(delimiter, names, lines.before, line + lines.count - 1, comments)
    return None


def behind_comments(content: bytes, start: int, dialect: Dialect) -> tuple[int, int]:
    """Return the byte behind the lines of remarks at `start`, and how many lines that is.

    The last line that begins with `#` may be the header (`#,height,weight`): where it has as many cells as the next
    line, which isn't a header itself.
    """
    lines = Lines(content, start)
    ends: list[tuple[str, int]] = []
    for line in lines:
        if not line.startswith("#"):
            break
        ends.append((line, lines.position))
    else:
        return start, 0
    if ends and dialect.header and heads(ends[-1][0], [line, next(lines, "")], dialect):
        ends.pop()
    return (ends[-1][1], len(ends)) if ends else (start, 0)


def heads(line: str, rows: list[str], dialect: Dialect) -> bool:
    """Return whether a line that begins with `#` names the columns of the two lines below it."""
    delimiter = dialect.delimiter or guess_delimiter("".join(rows).encode())
    names, first, second = (next(csv.reader([each], delimiter=delimiter), []) for each in (line, *rows))
    numbers = [[bool(re.fullmatch(r"\s*[+-]?[\d.,]+\s*", cell)) for cell in cells] for cells in (first, second)]
    return len(names) == len(first) > 1 and (any(numbers[0]) or not any(numbers[1]))


class Lines:
    """Lines of bytes in UTF-8 as text, their ends kept; `position` is the byte after the last, `before` before it."""

    def __init__(self, content: bytes, start: int) -> None:
        self.stream = io.BytesIO(content)
        self.stream.seek(start)
        self.position, self.before, self.count = start, start, 0
        self.waiting: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.waiting:
            # A line that ends with a carriage return alone is found inside of what ends with a line feed.
            self.waiting = self.stream.readline().splitlines(keepends=True)[::-1]
        if not self.waiting:
            raise StopIteration
        line = self.waiting.pop()
        self.before, self.position, self.count = self.position, self.position + len(line), self.count + 1
        return line.decode(errors="replace")


def guess_delimiter(head: bytes) -> str:
    """Return the sign that divides most of the first records as it divides the header, outside of quotes."""
    best: tuple[float, int] = (0.0, 0)
    chosen = ","
    for delimiter in GUESSED:
        widths = []
        try:
            for record in csv.reader(Lines(head, 0), delimiter=delimiter, skipinitialspace=True):
                if any(cell.strip() for cell in record):
                    widths.append(len(record))
                if len(widths) == RECORDS:
                    break
        except csv.Error:  # a field as long as a file: quotes that this sign leaves open
            continue
        if len(head) == HEAD and len(widths) > 2:
            widths.pop()  # perhaps cut
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score[0] > best[0] or (score[0] == best[0] and score[1] > 2 * best[1]):
            best, chosen = score, delimiter
    return chosen


def records(content: bytes, shape: Shape) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a text one by one as (number of the line where it ends, cells); blank ones left out."""
    reader: Any = csv.reader(
        Lines(content, shape.start), delimiter=shape.delimiter, skipinitialspace=shape.delimiter != " "
    )
    for record in reader:
        if any(cell.strip() for cell in record):
            yield shape.line + reader.line_num, record
