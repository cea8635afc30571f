"""python -m runner predict: what a trained network says about files of your own."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config import resolvers
from runner.errors import RunnerError
from runner.tracking.run_directory import RunDirectory

DESCRIPTION = "Predicts for image files, or for the rows of CSV files, with the best weights of a run."
EXAMPLE = "example:\n  python -m runner predict outputs/runs/2026-01-31/12-00-00-cnn-digits four.png seven.png"
BATCH = 256


def main(arguments: Sequence[str]) -> int:
    """Prints one row an input, or writes them as CSV."""
    parser = argparse.ArgumentParser(
        "python -m runner predict",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_directory", type=Path)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="image files, or CSV files")
    parser.add_argument("--output", "-o", type=Path, help="write a CSV file instead of printing a table")
    options = parser.parse_args(arguments)
    if missing := [str(path) for path in options.inputs if not path.is_file()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such file.")
    if options.output is not None and not options.output.parent.is_dir():
        raise RunnerError(f"--output {options.output}: there is no directory {options.output.parent}.")
    rows = predict(RunDirectory(options.run_directory), options.inputs)
    if options.output is None:
        show(rows)
        return 0

    from runner.tracking.tables import write_csv

    write_csv(options.output, rows)
    print(f"{len(rows)} predictions: {options.output}")
    return 0


def predict(record: RunDirectory, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One row for every input: the file (or its row), and the prediction in the task's terms.

    Raises:
        RunnerError: not a run directory, no checkpoint, or an input that cannot be read.
    """
    import torch

    from runner.assemble import restore
    from runner.build import plugins

    resolvers.register()
    config = record.config()
    rows: list[dict[str, Any]] = []
    with plugins(list(config.runner.plugins)), torch.inference_mode():
        datamodule, task = restore(config, record.path)
        for path in paths:
            inputs = datamodule.read([path])
            outputs = torch.cat([task.network(datamodule.transform(part)) for part in inputs.split(BATCH)])
            named = [str(path)] if len(inputs) == 1 else [f"{path}:{number}" for number in range(1, len(inputs) + 1)]
            rows += [{"input": name, **row} for name, row in zip(named, task.rows(outputs), strict=True)]
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """A plain table, a line a row."""
    values = [[f"{each:.4g}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows]
    lines = [list(rows[0]), *values]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
