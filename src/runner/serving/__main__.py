"""python -m runner.serving FOLDER…: serves what `python -m runner package` wrote; knows no run and imports no torch."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from runner.errors import EXIT_USER_ERROR, RunnerError
from runner.serving import start
from runner.serving.description import Description, read_plain
from runner.serving.pool import Served

# The file of a folder that says all about the other.
DESCRIPTION = "description.json"


def main() -> int:
    """Serve the models in folders until a signal comes."""
    parser = argparse.ArgumentParser("python -m runner.serving")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help=f"holds {DESCRIPTION} and the model")
    start.add_options(parser)
    parsed = parser.parse_args()
    try:
        options = start.options_from(parsed)
        start.need_packages()
        with start.listening(options.host, options.port) as listener:
            if told := start.sentence(options.host, os.environ.get(start.KEY)):
                print(told)
            return start.serve([packaged(each) for each in parsed.folders], options, "package", listener)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR


def packaged(folder: Path) -> Served:
    """Return the model of a folder; raises RunnerError where it is none."""
    path = folder / DESCRIPTION
    description = Description.from_plain(read_plain(path), str(path))
    return Served(replace(description, file=str(folder / Path(description.file).name)))


if __name__ == "__main__":
    sys.exit(main())
