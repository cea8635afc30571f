"""python -m runner predict: what a trained network says about files of your own."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.cli.columns import say
from runner.cli.pictures import Written
from runner.config import plugins
from runner.errors import RunnerError
from runner.files.text import one_line

DESCRIPTION = (
    "Predicts for image files, the rows of CSV files, lines of text or graphs as JSON, with the best weights of a run. "
    "A run on a graph also answers without inputs: for all nodes of its graph, or for its test graphs. "
    "Where embeddings were learned, two images are compared: are they of one class?"
)
EXAMPLE = """examples:
  python -m runner predict outputs/runs/2026-01-31/12-00-00-cnn-digits four.png seven.png
  python -m runner predict outputs/runs/2026-01-31/12-00-00-yolo-box_folder a.jpg --draw drawn -o boxes.json
  python -m runner predict outputs/runs/2026-01-31/12-00-00-glyphs_triplet probe.png --gallery people"""


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
    parser.add_argument("--output", "-o", type=Path, help="write CSV, or JSON by its suffix, instead of a table")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="write pictures with the boxes or masks found")
    parser.add_argument("--gallery", type=Path, metavar="FOLDER", help="find the nearest of these images, NAME/*.png")
    parser.add_argument("--trust", action="store_true", help="load native code although no result.json vouches for it")
    options = parser.parse_args(plugins.without(arguments))
    if missing := [str(path) for path in options.inputs if not path.is_file()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such file.")
    if options.output is not None and not options.output.parent.is_dir():
        raise RunnerError(f"--output {options.output}: there is no directory {options.output.parent}.")
    if options.draw is not None and not options.inputs:
        raise RunnerError("--draw: name the pictures to draw on after the run directory.")
    if options.draw is not None and options.draw.is_file():
        raise RunnerError(f"--draw {options.draw}: is a file. Name a folder.")
    if options.gallery is not None and (options.draw is not None or not options.inputs):
        raise RunnerError("--gallery: name the images to look for after the run directory, without --draw.")
    written = Written(options.draw)
    rows = predict(options.run, options.inputs, options.gallery, trust=options.trust, notice=written)
    if options.output is None:
        show(rows)
    else:
        write(options.output, rows, written)
        say(f"{len(rows)} predictions: {options.output}")
    if options.draw is not None:
        say(f"{len(written.written)} pictures: {options.draw}")
    return 0


def write(output: Path, rows: list[dict[str, Any]], written: Written) -> None:
    """Write rows as CSV, or, where `output` ends in .json, as a list; boxes and masks in COCO's format."""
    from runner.files import write_csv, write_json

    if output.suffix.lower() != ".json":
        write_csv(output, rows)
    else:
        write_json(output, rows if written.annotations is None else written.annotations.content)


def predict(
    run: Path,
    paths: Sequence[Path],
    gallery: Path | None = None,
    *,
    trust: bool = False,
    notice: Callable[..., None] | None = None,
) -> list[dict[str, Any]]:
    """Return the rows that `Predictor.rows` gives, or those of the run's own samples where no files are named.

    Where it compares, for a gallery or two images of a run that learned embeddings, those of `Predictor.compared`.
    """
    from runner.job.predictor import predictor

    with predictor(run, trust=trust, own=not paths) as asked:
        if gallery is not None or (len(paths) == 2 and asked.compares):
            return asked.compared(paths, gallery)
        return asked.rows(paths, notice) if paths else asked.own_rows()


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
