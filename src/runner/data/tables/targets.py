"""The target column: classes by their names, or numbers; and why a column suits neither."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from runner.data.alike import differ_in_case
from runner.data.tables.delimited import Table
from runner.data.tables.feature_columns import counted, first_row, refuse_mistakes
from runner.data.tables.files.written_numbers import floats
from runner.data.tables.labels import in_order, number
from runner.errors import RunnerError

# More different fractions than this are measurements, not labels.
MOST_FRACTIONS = 20
MEASURED_ROWS = 20
# Among the first so many rows are all values, where there are two.
MANY = 1000


@dataclass(frozen=True)
class Targets:
    """A target column as it was read.

    Attributes:
        values: float64 (n,) for regression, class numbers int64 (n,) else; NaN or -1 where the cell says nothing.
        names: of the classes, in order.
    """

    values: "np.ndarray[Any, Any]"
    names: tuple[str, ...] | None = None

    @property
    def known(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Bool (n,): where there is a target."""
        return ~np.isnan(self.values) if self.names is None else self.values >= 0


def numbers_of(table: Table, target: str) -> Targets:
    """Return a target of numbers; raises RunnerError where it holds text, dates, or one number only."""
    values, kind = table.values(target), pa.types
    if kind.is_string(values.type):
        refuse_text(table, target)
    if kind.is_date(values.type) or kind.is_timestamp(values.type):
        raise RunnerError(
            f"{table.path}: the target '{target}' holds dates, and task=regression predicts numbers. "
            "Write them as numbers, such as days since the first."
        )
    found = floats(values)
    for row in np.flatnonzero(np.isinf(found))[:1]:
        place, cell = table.place(target, int(row))
        raise RunnerError(f"{place}: '{cell}' is no number. Mend it.")
    known = found[~np.isnan(found)]
    if not len(known):
        raise RunnerError(f"{table.path}: the target '{target}' is empty in every row. Fill it in.")
    if len(known) > 1 and bool((known == known[0]).all()):
        raise RunnerError(f"{table.path}: the target '{target}' is the same in every row.")
    return Targets(found)


def refuse_text(table: Table, target: str) -> None:
    """Raise RunnerError for a target of text where numbers are asked for."""
    counts = counted(table.values(target), table.dialect.missing_texts)
    if not counts:
        raise RunnerError(f"{table.path}: the target '{target}' is empty in every row. Fill it in.")
    refuse_mistakes(table, target, counts)
    strange = next((cell for cell in counts if number(cell) is None), None)
    if strange is None:
        raise RunnerError(
            f"data.categorical takes the target '{target}' for names, and task=regression predicts numbers. Leave it "
            "out of data.categorical, or use task=classification."
        )
    place, cell = table.place(target, first_row(table, target, strange))
    raise RunnerError(
        f"{place}: '{cell}' is no number, and task=regression predicts numbers. The column holds {len(counts):,} "
        f"different texts: take them as classes with task={'binary_' if len(counts) == 2 else ''}classification."
    )


def remarks(targets: Targets, target: str) -> list[str]:
    """Return what a person should know of a target, in sentences."""
    if targets.names is not None:
        twins = differ_in_case(targets.names)
        return [f"Classes of '{target}': {twins} differ in capitals only, and each counts by itself."] if twins else []
    known = targets.values[targets.known]
    different = np.unique(known[:MANY]) if len(known) >= MEASURED_ROWS else known[:0]
    if len(different) != 2 or not np.isin(known, different).all():
        return []
    return [
        f"The target '{target}' holds two different numbers only ({different[0]:g} and {different[1]:g}), and "
        "task=regression predicts numbers. task=binary_classification takes them for classes."
    ]


def classes_of(table: Table, target: str) -> Targets:
    """Return a target of classes, whose column was read as text; `1` and `1.0` are one class.

    Raises:
        RunnerError: there is one class only, or the column holds measurements or remarks rather than labels.
    """
    counts = counted(table.values(target), table.dialect.missing_texts)
    if not counts:
        raise RunnerError(f"{table.path}: the target '{target}' is empty in every row. Fill it in.")
    names, same = merged(list(counts))
    if len(names) < 2:
        raise RunnerError(
            f"{table.path}: the target '{target}' is '{names[0]}' in every row. "
            "A classifier needs at least two classes."
        )
    refuse_measurements(table, target, names, {cell: counts[cell] for cell in counts})
    position = {name: index for index, name in enumerate(names)}
    encoded = table.values(target).combine_chunks().dictionary_encode()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0)
    of_cell = [position[same[cell]] if cell in same else -1 for cell in encoded.dictionary.to_pylist()]
    codes = np.asarray(encoded.indices.fill_null(len(of_cell)).to_numpy(zero_copy_only=False))
    return Targets(np.asarray([*of_cell, -1], dtype=np.int64)[codes], tuple(names))


def merged(cells: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the names of the classes in order, and each text's class: equal numbers are one, named by the shortest."""
    values = {cell: number(cell) for cell in cells}
    if any(value is None for value in values.values()):
        return in_order(cells), {cell: cell for cell in cells}
    chosen: dict[Any, str] = {}
    for cell in sorted(cells, key=lambda cell: (len(cell), cell)):
        chosen.setdefault(values[cell], cell)
    return in_order(chosen.values()), {cell: chosen[values[cell]] for cell in cells}


def refuse_measurements(table: Table, target: str, names: list[str], counts: dict[str, int]) -> None:
    """Raise RunnerError for columns whose values are no labels: fractions, or hardly any value twice."""
    rows, single = sum(counts.values()), sum(count == 1 for count in counts.values())
    values = [number(name) for name in names]
    numeric = all(value is not None for value in values)
    fractions = numeric and any(value != int(value) for value in values if value is not None)
    many = len(names) > MOST_FRACTIONS if fractions else False
    if not many and not (rows >= MEASURED_ROWS and single > len(names) / 2 and len(names) > rows / 4):
        return
    examples = ", ".join(names[:3])
    if numeric:
        raise RunnerError(
            f"{table.path}: the target '{target}' holds {len(names):,} different numbers in {rows:,} rows ({examples}, "
            "…), and a classifier would take each for a class of its own. Predict them as numbers: task=regression; or "
            "write ranges as labels."
        )
    raise RunnerError(
        f"{table.path}: the target '{target}' holds {len(names):,} different texts in {rows:,} rows ({examples}, …), "
        "most of them once. A classifier needs several rows of each class: is this the column to predict?"
    )
