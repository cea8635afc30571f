"""Texts with a class each, read without importing torch; configurations reach their counts by resolvers."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from runner.data.alike import differ_in_case
from runner.data.sequences.alphabet import plain
from runner.data.tables.delimited import read_table
from runner.errors import RunnerError

LINES = ".txt"
LAYOUTS = (
    "a table with a column of texts and one of classes, or a folder with a file CLASS.txt for each class, a text a line"
)
Labelled = list[tuple[str, str, str]]  # text, class, place


def labelled_texts(root: str | Path, text: str | None = None, label: str | None = None) -> Labelled:
    """Return texts with their classes and where each stands.

    Args:
        root: a CSV, TSV or Parquet file with a header line, or a folder with a file of lines for each class.
        text, label: columns of the table; None: the first for the texts, the last for the classes.

    Raises:
        RunnerError: there is neither, a column is missing, a text is empty or without a class.
    """
    place = Path(root).expanduser()
    if place.is_dir():
        files = lines_of_classes(place)
        state = tuple((str(each), each.stat().st_mtime_ns) for each in files)
    elif place.is_file():
        state = ((str(place.absolute()), place.stat().st_mtime_ns),)
    else:
        raise RunnerError(f"data.root={root}: there is no such file or folder. Texts are {LAYOUTS}.")
    return _read(place, text, label, state)


def count_text_classes(root: str | Path, text: str | None = None, label: str | None = None) -> int:
    """Return how many classes the texts have; for `data.num_classes`."""
    return len({each for _, each, _ in labelled_texts(root, text, label)})


def longest_text(root: str | Path, text: str | None = None, label: str | None = None) -> int:
    """Return the characters of the longest text, as it is encoded; for `data.max_length`."""
    return max(len(plain(each)) for each, _, _ in labelled_texts(root, text, label))


def remarks(classes: Iterable[str]) -> list[str]:
    """Return what a person should know of the classes, in sentences."""
    twins = differ_in_case(classes)
    return [f"Classes: {twins} differ in capitals only, and each counts by itself."] if twins else []


@lru_cache(maxsize=2)
def _read(place: Path, text: str | None, label: str | None, state: object) -> Labelled:
    """Read once until a file changes: a configuration asks for two counts before the data is read."""
    rows = from_folder(place) if place.is_dir() else from_table(place, text, label)
    classes = len({label for _, label, _ in rows})
    if classes < 2:
        raise RunnerError(f"{place}: every text is of class {rows[0][1]}. A classifier needs at least two classes.")
    if classes > len(rows) / 2:
        raise RunnerError(
            f"{place}: {len(rows):,} texts are of {classes:,} classes ({rows[0][1]}, {rows[-1][1]}, …), most of them "
            "with one text. A classifier needs several of each: is this the column of classes?"
        )
    return rows


def lines_of_classes(folder: Path) -> list[Path]:
    """Return the files of lines in a folder, by name; raises RunnerError where there are fewer than two."""
    files = sorted(each for each in folder.iterdir() if not each.name.startswith(".") and each.suffix.lower() == LINES)
    if len(files) < 2:
        raise RunnerError(f"{folder} holds {len(files)} files that end in {LINES}. Texts are {LAYOUTS}.")
    return files


def from_folder(folder: Path) -> Labelled:
    """Return the lines of every file; the file's name is their class. Empty lines are passed over."""
    rows: Labelled = []
    for path in lines_of_classes(folder):
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RunnerError(f"{path} can't be read as text ({error}). Save it in UTF-8, a text a line.") from error
        found = [(line, path.stem, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
        if not found:
            raise RunnerError(f"{path} holds no text. Write a text a line, or remove the file.")
        rows += found
    return rows


def from_table(path: Path, text: str | None, label: str | None) -> Labelled:
    """Return the texts of a table's column with their classes in another."""
    known = read_table(path).columns
    if len(known) < 2:
        raise RunnerError(f"{path} has one column, {known[0]}. Texts are {LAYOUTS}.")
    text, label = text or known[0], label or known[-1]
    table = read_table(path, text=[text, label])
    places = [f"{path}, line {line}" for line in table.lines]
    if not places:  # a Parquet file
        places = [f"{path}, row {number}" for number in range(1, len(table) + 1)]
    rows = list(zip(table.column(text), table.column(label), places, strict=True))
    for each, name, place in rows:
        if not each or not name:
            raise RunnerError(f"{place}: has no {'text' if not each else 'class'}. Fill it in, or remove the line.")
    return rows
