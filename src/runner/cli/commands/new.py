"""python -m runner new: a project of one's own that runs at once."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import say
from runner.errors import RunnerError, did_you_mean

DESCRIPTION = (
    "Writes a small project: conf/ with an experiment, a model and a data set, a package with the network and the data "
    "that they name, tests, a Makefile, a CI workflow and a README. With --data it looks at your files, says what is "
    "there, and chooses settings that suit them."
)
EXAMPLE = """kinds of files:
  folder   images, one folder a class; also divided into train, val and test
  table    CSV, Parquet and their like; the last column is predicted unless --target names another
  coco     pictures with boxes, as COCO JSON, YOLO text or VOC XML
  text     texts with a class each: a table of two columns, or a folder with a file of lines for each class

examples:
  python -m runner new spirals
  python -m runner new flowers --data folder photos
  python -m runner new rents --data table flats.csv --target price"""


def main(arguments: Sequence[str]) -> int:
    """Write the project; raises RunnerError for a directory that isn't empty, and for data that can't be used."""
    parser = argparse.ArgumentParser(
        "python -m runner new",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="a new directory; its name becomes the package's")
    parser.add_argument("--data", nargs=2, metavar=("KIND", "PATH"), help="folder, table, coco or text, and the files")
    parser.add_argument("--target", metavar="COLUMN", help="of a table: what is predicted; the last column by default")
    options = parser.parse_args(arguments)

    from runner.cli.projects.kinds import KINDS

    kind, place = options.data or (None, "")
    if kind is not None and kind not in KINDS:
        raise RunnerError(
            f"--data {kind}: there is no such kind.{did_you_mean(kind, KINDS)} Known: {', '.join(KINDS)}."
        )
    if options.target is not None and kind not in ("table", "text"):
        raise RunnerError("--target names a column: it goes with --data table FILE or --data text FILE.")

    from runner.cli.projects.project import begin

    for line in begin(options.directory, kind, Path(place), options.target):
        say(line)
    return 0
