"""Rows of metrics.csv as values."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MetricRow:
    """One value of a metric; `step` and `epoch` are None where it is of the whole run."""

    step: int | None
    epoch: int | None
    metric: str
    value: float


def rows_between(path: Path, start: int, end: int) -> list[MetricRow]:
    """Return the rows that lie in the bytes from `start` to `end` of metrics.csv; the header and others are none."""
    if end <= start or not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read(end - start).decode(errors="replace").splitlines()
    return [row for cells in csv.reader(lines) if (row := row_of(cells)) is not None]


def row_of(cells: list[str]) -> MetricRow | None:
    """Return the row that these cells are; None where they are none."""
    try:
        step, epoch, metric, value = cells
        return MetricRow(int(step) if step else None, int(epoch) if epoch else None, metric, float(value))
    except ValueError:
        return None
