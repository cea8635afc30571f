"""ClassTable: which value or colour of a mask stands for which class, as a file beside the masks says."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.data.images.appearance import Colour
from runner.data.images.geometry.affine import IGNORED
from runner.errors import RunnerError

# What files that name classes are called, the most telling first.
FILES = (
    *("classes.csv", "_classes.csv", "class_dict.csv", "classes.txt", "labelmap.txt", "label_colors.txt"),
    *("labels.txt", "label_names.txt"),
)
# Names of what counts for nothing.
NOTHING = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "dontcare"})
# Above so many classes a pixel has no room for `IGNORED`.
MOST = 255
# r g b name, as CamVid's label_colors.txt; name:r,g,b:parts:actions, as CVAT's labelmap.txt.
COLOUR_FIRST = re.compile(r"(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\S.*)")
COLOUR_LAST = re.compile(r"([^:]+):(\d+),(\d+),(\d+)(?::.*)?")
# 3 name, 3: name
VALUE_FIRST = re.compile(r"(\d+)(?:\s*[:;,]\s*|\s+)(\S.*)")


@dataclass(frozen=True)
class ClassTable:
    """The classes of masks.

    Attributes:
        names: of the classes, in the order of their numbers.
        values: the number of the class for each value of a mask of one channel; `IGNORED` for nothing.
        colours: the same for each colour; empty where masks hold values.
        where: who says so.
    """

    names: tuple[str, ...]
    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    where: str = ""

    def keys(self, number: int) -> str:
        """Return the values or colours that stand for a class, as people write them."""
        values = [str(value) for value, each in self.values.items() if each == number]
        return "/".join(values or [str(colour) for colour, each in self.colours.items() if each == number])


def numbered(names: Iterable[str], where: str) -> ClassTable:
    """Return the table of classes whose values are their numbers."""
    listed = tuple(names)
    return ClassTable(listed, {**{number: number for number in range(len(listed))}, IGNORED: IGNORED}, where=where)


def find_table(root: Path) -> ClassTable | None:
    """Return what a file below `root` says of the classes, None where there is none; raises as `read_table` does."""
    for name in FILES:
        for folder in (root, *sorted(each for each in root.glob("*") if each.is_dir())):
            if (folder / name).is_file():
                return read_table(folder / name)
    return None


def read_table(file: Path) -> ClassTable:
    """Return the classes that a file names: by value, by colour, or, where it holds names alone, in their order.

    Classes called void, ignore or unlabelled count for nothing.

    Raises:
        RunnerError: it names no classes, two alike, or more than a pixel can tell.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    rows = list(_of_csv(text) if file.suffix == ".csv" else _of_lines(text))
    names = [name for name, _ in rows]
    if not rows:
        raise RunnerError(f"{file} names no classes. A line for each: name,r,g,b, or value,name, or the name alone.")
    lengths = {len(numbers) for _, numbers in rows}
    if len(lengths) != 1 or lengths - {0, 1, 3}:
        raise RunnerError(f"{file}: every line must have the same form: name,r,g,b, or value,name, or the name alone.")
    kept = list(dict.fromkeys(name for name in names if not _is_nothing(name)))
    if len(kept) > MOST:
        raise RunnerError(f"{file} names {len(kept)} classes; a mask can tell {MOST} at most.")
    number_of = {name: number for number, name in enumerate(kept)}
    keys = [(*numbers,) if numbers else (index,) for index, (_, numbers) in enumerate(rows)]
    if len(set(keys)) < len(keys) or len(set(names)) < len(names):
        twice = [each for each, count in Counter([*names, *map(str, keys)]).items() if count > 1]
        raise RunnerError(f"{file}: {twice[0]} stands there twice.")
    classes = {key: number_of.get(name, IGNORED) for key, name in zip(keys, names, strict=True)}
    if lengths == {3}:
        colours = {(key[0], key[1], key[2]): each for key, each in classes.items()}
        return ClassTable(tuple(kept), colours=colours, where=file.name)
    values = {IGNORED: IGNORED, **{key[0]: each for key, each in classes.items()}}
    return ClassTable(tuple(kept), values, where=file.name)


def _is_nothing(name: str) -> bool:
    return re.sub(r"[\W_]", "", name.casefold()) in NOTHING


def _of_csv(text: str) -> Iterable[tuple[str, list[int]]]:
    """Yield each class with its numbers; a first line without numbers is the header where others have some."""
    try:
        form = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:
        form = csv.excel
    lines = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), form)]
    lines = [row for row in lines if any(row)]
    found = []
    for row in lines:
        words = [cell for cell in row if cell and not cell.isdigit()]
        found.append((words[0] if words else row[0], [int(cell) for cell in row if cell.isdigit()] if words else []))
    headed = len(found) > 1 and not found[0][1] and all(numbers for _, numbers in found[1:])
    return found[1:] if headed or (found and found[0][0].casefold() in ("name", "class", "classes")) else found


def _of_lines(text: str) -> Iterable[tuple[str, list[int]]]:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    valued = all(VALUE_FIRST.fullmatch(line) for line in lines)
    for line in lines:
        if first := COLOUR_FIRST.fullmatch(line):
            yield first[4].strip(), [int(first[1]), int(first[2]), int(first[3])]
        elif last := COLOUR_LAST.fullmatch(line):
            yield last[1].strip(), [int(last[2]), int(last[3]), int(last[4])]
        elif valued and (value := VALUE_FIRST.fullmatch(line)):
            yield value[2].strip(), [int(value[1])]
        else:
            yield line, []
