"""Reading a user's table against the time that pandas and pyarrow take to read it alone."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from runner.data.tables.delimited import read_table

ROWS, COLUMNS = 1_000_000, 50
TURNS = 3


def main(rows: int = ROWS, columns: int = COLUMNS) -> None:
    """Print the seconds of each side, taken in turn, and the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        numbers = np.random.default_rng(0).normal(size=(rows, columns)).round(4)
        pa.csv.write_csv(pa.table({f"c{index}": numbers[:, index] for index in range(columns)}), path)
        del numbers
        print(f"a table of {rows:,} x {columns} numbers, {path.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        sides: dict[str, Callable[[], object]] = {
            "runner": lambda: read_table(path),
            "pyarrow": lambda: pyarrow.csv.read_csv(path),
            "pandas": lambda: pd.read_csv(path),
        }
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(TURNS):
            for name, read in sides.items():
                started = time.perf_counter()
                read()
                taken[name].append(time.perf_counter() - started)
    seconds = {name: statistics.median(each) for name, each in taken.items()}
    for name, each in seconds.items():
        print(f"  {name:8} {each:6.2f} s   the runner takes {seconds['runner'] / each:.2f} times as long")
