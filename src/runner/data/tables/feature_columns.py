"""Which columns of a table a network is given, and what each of them is: numbers, true and false, dates, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from runner.data.tables import hints, identifiers
from runner.data.tables.delimited import Table
from runner.data.tables.labels import in_order
from runner.errors import RunnerError

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER, BOOLEAN, DATE, CATEGORY, EMPTY = "number", "boolean", "date", "category", "empty"
# A column of text is taken for numbers with mistakes in it when more rows than this share are numbers.
MOSTLY = 0.5
EXACT = 2**53


@dataclass(frozen=True)
class FeatureColumn:
    """One column of a table as a network is given it.

    Attributes:
        kind: `number`, `boolean`, `date` or `category`.
        categories: those with a place of their own; any other has the place behind them.
        origin: subtracted from whole numbers before they become float64, which holds them exactly to 2**53 only.
        written: how dates are written; see `dates`.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    origin: int = 0
    written: str = ""

    def width(self, date_parts: Sequence[str]) -> int:
        """Return how many of the network's inputs come of it."""
        if self.kind == CATEGORY:
            return len(self.categories) + 1
        return 1 + 2 * len(date_parts) if self.kind == DATE else 1

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "categories": list(self.categories)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> FeatureColumn:
        """Return what `as_plain` gave."""
        return cls(**{**values, "categories": tuple(values["categories"])})


@dataclass(frozen=True)
class Choices:
    """What the user says about the columns.

    Attributes:
        target: the column to predict.
        features: the columns to predict from; null is all others but those that name or count the rows.
        categorical: columns taken as categories though they hold numbers.
        date_format: how dates are written: day_first, month_first, or as Python's strptime has it.
        date_parts: parts of dates given as points on a circle: hour, weekday, day (of the year), month.
        max_categories: places that a column of text has at most; the rarest share the last.
    """

    target: str
    features: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    date_format: str | None = None
    date_parts: tuple[str, ...] = ()
    max_categories: int = 50

    def __post_init__(self) -> None:
        from runner.data.tables.cycles import CYCLES

        given = self.date_format
        if given is not None and given not in ("day_first", "month_first") and "%" not in given:
            raise RunnerError(f"data.date_format={given}: must be day_first, month_first or as in %d.%m.%y.")
        if wrong := [part for part in self.date_parts if part not in CYCLES]:
            raise RunnerError(f"data.date_parts: there is no part {wrong[0]}. Known: {', '.join(CYCLES)}.")


def plan(table: Table, choices: Choices) -> tuple[list[FeatureColumn], list[str]]:
    """Return the feature columns in order, and notes about those left out.

    Raises:
        RunnerError: a column is missing, none is left, or one is neither numbers, dates nor categories.
    """
    table.position(choices.target)
    for name in choices.categorical:
        table.position(name)
    if choices.features is not None:
        chosen = [described(table, name, choices) for name in named(table, choices)]
        remarks = [hint for column, _ in chosen for hint in hints.of_column(table, column.name, column.kind)]
        return [column for column, _ in chosen], remarks
    kept: list[FeatureColumn] = []
    notes: list[str] = []
    for name in table.columns:
        if name == choices.target:
            continue
        spared = name in choices.categorical or is_of_format(table, name, choices.date_format)
        reason = None if spared else identifiers.reason_to_leave_out(table, name)
        column, told = (None, None) if reason else described(table, name, choices)
        if reason or column is None or column.kind == EMPTY:
            why = reason or "holds nothing"
            notes.append(f"Column '{name}' is left out: it {why}. data.features names the columns to use.")
        else:
            kept.append(column)
            notes += [*([told] if told else []), *hints.of_column(table, name, column.kind)]
    if not kept and any("left out" in note for note in notes):
        named_all = ", ".join(name for name in table.columns if name != choices.target)
        raise RunnerError(
            f"{table.path} has no feature columns beside the target '{choices.target}': {' '.join(notes)} "
            f"To use them all the same: data.features=[{named_all}]."
        )
    if not kept:
        raise RunnerError(f"{table.path} has no feature columns beside the target '{choices.target}'.")
    return kept, notes


def named(table: Table, choices: Choices) -> list[str]:
    """Return the columns that the user names; raises RunnerError where one is missing, twice, or the target."""
    names = list(choices.features or ())
    for name in names:
        table.position(name)
    if choices.target in names:
        raise RunnerError(f"data.features holds the target '{choices.target}'. Leave it out of the features.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RunnerError(f"data.features names {', '.join(twice)} twice. Name each column once.")
    if not names:
        raise RunnerError(f"{table.path} has no feature columns beside the target '{choices.target}'.")
    return names


def described(table: Table, name: str, choices: Choices) -> tuple[FeatureColumn, str | None]:
    """Return what a column is, and a note where something of it is lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values, kind = table.values(name), pa.types
    if name not in choices.categorical and is_of_format(table, name, choices.date_format):
        return FeatureColumn(name, DATE, written=str(choices.date_format)), None
    if name in choices.categorical or kind.is_string(values.type):
        return of_text(table, name, choices)
    if kind.is_null(values.type) or values.null_count == len(values):
        return FeatureColumn(name, NUMBER if choices.features else EMPTY), None
    if kind.is_date(values.type) or kind.is_timestamp(values.type):
        return FeatureColumn(name, DATE, written=choices.date_format or "iso"), None
    if kind.is_boolean(values.type):
        return FeatureColumn(name, BOOLEAN), None
    if kind.is_integer(values.type):
        least, most = pc.min_max(values).as_py().values()
        return FeatureColumn(name, NUMBER, origin=int(least) if max(abs(least), abs(most)) > EXACT else 0), None
    return FeatureColumn(name, NUMBER), None


def of_text(table: Table, name: str, choices: Choices) -> tuple[FeatureColumn, str | None]:
    """Return what a column of text is: dates or categories.

    Raises:
        RunnerError: numbers with a mistake in them, numbers written in a way that no setting names, ambiguous dates.
    """
    from runner.data.tables import dates

    counts = counted(table.values(name), table.dialect.missing_texts)
    if not counts:
        return FeatureColumn(name, CATEGORY if choices.features else EMPTY), None
    cells = list(counts)
    if name not in choices.categorical:
        refuse_mistakes(table, name, counts)
        written = dates.format_of(cells)
        if written == "ambiguous" and choices.date_format in (dates.DAY_FIRST, dates.MONTH_FIRST):
            written = choices.date_format
        if written == "ambiguous":
            place, cell = table.place(name, first_row(table, name, cells[0]))
            raise RunnerError(
                f"{place}: '{cell}' may be two days, as may every other date of the column. "
                "Set data.date_format=day_first or month_first."
            )
        if written:
            return FeatureColumn(name, DATE, written=written), None
        refuse_strange_dates(table, name, counts)
    if len(counts) <= choices.max_categories:
        return FeatureColumn(name, CATEGORY, tuple(in_order(cells))), None
    common = sorted(cells, key=lambda cell: (-counts[cell], cell))[: choices.max_categories]
    share = sum(counts[cell] for cell in common) / sum(counts.values())
    note = (
        f"Column '{name}' holds {len(counts):,} different texts: the {len(common)} most frequent ({share:.0%} of the "
        "rows) have a place of their own, the others share one. data.max_categories says how many."
    )
    return FeatureColumn(name, CATEGORY, tuple(in_order(common))), note


def is_of_format(table: Table, name: str, given: str | None) -> bool:
    """Return whether a column holds dates of the format that the user gives, as strptime has it; also as numbers."""
    import pyarrow as pa

    kind = table.data.schema.field(name).type
    if given is None or "%" not in given or not (pa.types.is_string(kind) or pa.types.is_integer(kind)):
        return False
    from runner.data.tables import dates

    cells = list(counted(table.values(name), table.dialect.missing_numbers))
    written = dates.all_written if pa.types.is_string(kind) else dates.numbers_written
    return bool(cells) and written(cells, given)


def refuse_strange_dates(table: Table, name: str, counts: Mapping[str, int]) -> None:
    """Raise RunnerError where years have two digits, dates are written in several ways, or some cells are none."""
    from runner.data.tables import dates

    if all(map(dates.short_format, counts)):
        place, cell = table.place(name, first_row(table, name, next(iter(counts))))
        raise RunnerError(
            f"{place}: '{cell}' seems to be a date whose year has two digits. Say how it is written: data.date_format="
            f"{dates.short_format(cell)}; or that these are names: data.categorical=[{name}]."
        )
    strange = [cell for cell in counts if not dates.looks_like_one(cell)]
    stray = sum(counts[cell] for cell in strange)
    if not strange:
        shown = " and ".join(f"'{cell}'" for cell in different_ways(list(counts)))
        raise RunnerError(
            f"{table.path}, column '{name}': {shown} are dates written in different ways. Write all in one way, best "
            f"as 2024-01-31; or take them as names: data.categorical=[{name}]."
        )
    if strange and stray < (1 - MOSTLY) * sum(counts.values()):
        place, cell = table.place(name, first_row(table, name, strange[0]))
        raise RunnerError(
            f"{place}: '{cell}' is no date, as most of the column are. Mend it; where it says that nothing is known, "
            f"set data.missing_values=['{cell}']; or leave the column out of data.features."
        )


def different_ways(cells: Sequence[str]) -> list[str]:
    """Return two dates that are not written alike: the first, and the first that no way of it fits."""
    from runner.data.tables import dates

    return [cells[0], next((cell for cell in cells if dates.format_of([cells[0], cell]) is None), cells[-1])]


def refuse_mistakes(table: Table, name: str, counts: Mapping[str, int]) -> None:
    """Raise RunnerError where a column of text seems to hold numbers: what no number is, and what to do."""
    from runner.data.tables.files.written_numbers import is_written, refuse_other_signs

    words = {*table.dialect.missing_numbers}
    counts = {cell: count for cell, count in counts.items() if cell not in words}
    strange = [cell for cell in counts if not is_written(cell, table.dialect)]
    if not strange:
        return
    for cell in strange[:20]:
        if all(each[:1] in "+-0123456789$€£" for each in counts):
            refuse_other_signs(table.place(name, first_row(table, name, cell)), cell)
    numbers = sum(count for cell, count in counts.items() if is_written(cell, table.dialect))
    if numbers <= MOSTLY * sum(counts.values()):
        return
    place, cell = min((table.place(name, first_row(table, name, cell)) for cell in strange[:20]), key=line_of)
    raise RunnerError(
        f"{place}: '{cell}' is no number, as most of the column are. Mend it; where it says that nothing is known, "
        f"set data.missing_values=['{cell}']; where these are names, data.categorical=[{name}]; or leave the column "
        "out of data.features."
    )


def line_of(place: tuple[str, str]) -> int:
    """Return the line that the words for a place name."""
    return int(place[0].rpartition(", column")[0].rpartition(" ")[2])


def first_row(table: Table, name: str, cell: str) -> int:
    """Return the row, counted from 0, in which a column of text first holds this."""
    import pyarrow.compute as pc

    return int(pc.index(table.values(name), cell).as_py())


def counted(values: pa.ChunkedArray, missing: Sequence[str]) -> dict[str, int]:
    """Return how often each text occurs that isn't missing, in the order of their first rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values if pa.types.is_string(values.type) else values.cast(pa.string())
    found = {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}
    return {cell: count for cell, count in found.items() if cell is not None and cell not in missing}
