"""Rows as CSV files."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.tracking.files import write_text


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replaces `path` by the rows in one step; the first row's keys are the header."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as CSV; the first row's keys are the header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
