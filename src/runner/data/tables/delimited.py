"""A delimited text file (CSV) as rows of strings, checked for shape; standard library only."""

import csv
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError, did_you_mean

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """Column names and rows of strings; every row is as long as `columns`. `lines` are their line numbers."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def position(self, column: str) -> int:
        """Return where a column stands, counted from 0; raises RunnerError with the nearest names."""
        if column not in self.columns:
            raise RunnerError(
                f"{self.path} has no column '{column}'.{did_you_mean(column, self.columns)} "
                f"Its columns: {', '.join(self.columns)}."
            )
        return self.columns.index(column)

    def column(self, column: str) -> list[str]:
        """Return all values of one column."""
        position = self.position(column)
        return [row[position] for row in self.rows]

    def features(self, features: list[str] | None, target: str) -> list[str]:
        """Return the named feature columns, or all but `target`; raises RunnerError where one is missing."""
        self.position(target)
        names = [name for name in self.columns if name != target] if features is None else list(features)
        for name in names:
            self.position(name)
        if target in names:
            raise RunnerError(f"data.features holds the target '{target}'. Leave it out of the features.")
        if not names:
            raise RunnerError(f"{self.path} has no feature columns beside the target '{target}'.")
        return names


def read_table(path: str | Path) -> Table:
    """Read a UTF-8 table with a header line; separated by comma, semicolon or tab, whichever the header uses.

    Raises:
        RunnerError: the file is missing, empty, not text, or has a row that is shorter or longer than the header.
    """
    path = Path(path)
    if not path.is_file():
        raise RunnerError(f"No such table: {path}. Set data.root to a CSV file with a header line.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(DELIMITERS, key=header.count), skipinitialspace=True)
            numbered = [(reader.line_num, tuple(row)) for row in reader if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunnerError(f"{path} can't be read as a table ({error}). Save it as CSV in UTF-8.") from error
    if not numbered:
        raise RunnerError(f"{path} is empty. It needs a header line and rows.")
    columns = tuple(name.strip() for name in numbered[0][1])
    _check(path, columns, numbered[1:])
    return Table(path, columns, tuple(row for _, row in numbered[1:]), tuple(line for line, _ in numbered[1:]))


def _check(path: Path, columns: tuple[str, ...], rows: list[tuple[int, tuple[str, ...]]]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise RunnerError(f"{path} has more than one column named {', '.join(twice)}. Rename them.")
    if not rows:
        raise RunnerError(f"{path} has a header line and no rows. Add rows.")
    for line, row in rows:
        if len(row) != len(columns):
            raise RunnerError(
                f"{path}, line {line}: {len(row)} values, but the header names {len(columns)} columns. Mend the line."
            )
