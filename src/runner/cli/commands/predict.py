"""python -m runner predict: what a trained network says about files of your own."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.cli.columns import say
from runner.config import plugins
from runner.errors import RunnerError
from runner.files.text import one_line

DESCRIPTION = (
    "Predicts for image files, the rows of CSV files, lines of text or graphs as JSON, with the best weights of a run. "
    "A run on a graph also answers without inputs: for all nodes of its graph, or for its test graphs."
)
EXAMPLE = "example:\n  python -m runner predict outputs/runs/2026-01-31/12-00-00-cnn-digits four.png seven.png"


def main(arguments: Sequence[str]) -> int:
    """Print one row an input (an object, where these are looked for), or write them as CSV."""
    parser = argparse.ArgumentParser(
        "python -m runner predict",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, or a file among its artifacts")
    parser.add_argument("inputs", nargs="*", type=Path, metavar="INPUT", help="files: images, CSV, text or JSON")
    parser.add_argument("--output", "-o", type=Path, help="write a CSV file instead of printing a table")
    parser.add_argument("--trust", action="store_true", help="load native code although no result.json vouches for it")
    options = parser.parse_args(plugins.without(arguments))
    if missing := [str(path) for path in options.inputs if not path.is_file()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such file.")
    if options.output is not None and not options.output.parent.is_dir():
        raise RunnerError(f"--output {options.output}: there is no directory {options.output.parent}.")
    rows = predict(options.run, options.inputs, trust=options.trust)
    if options.output is None:
        show(rows)
        return 0

    from runner.files import write_csv

    write_csv(options.output, rows)
    say(f"{len(rows)} predictions: {options.output}")
    return 0


def predict(run: Path, paths: Sequence[Path], *, trust: bool = False) -> list[dict[str, Any]]:
    """Return the rows that `Predictor.rows` gives, or those of the run's own samples where no files are named."""
    from runner.job.predictor import predictor

    with predictor(run, trust=trust) as asked:
        return asked.rows(paths) if paths else asked.own_rows()


def show(rows: list[dict[str, Any]]) -> None:
    """Print a plain table, a line a row."""
    if not rows:
        print("Nothing was found.")
        return
    values = [[f"{each:.4g}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows]
    lines = [list(map(one_line, line)) for line in (rows[0], *values)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
