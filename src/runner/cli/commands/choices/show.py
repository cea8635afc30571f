"""python -m runner show: one choice in full."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.config import catalog
from runner.errors import RunnerError, did_you_mean

DESCRIPTION = "Prints the YAML file of one choice, header included."
EXAMPLE = "example:\n  python -m runner show model/resnet"


def main(arguments: Sequence[str]) -> int:
    """Print the file; raises RunnerError for an unknown choice."""
    parser = argparse.ArgumentParser(
        "python -m runner show",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("choice", metavar="GROUP/NAME", help="such as model/resnet")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    known = catalog.choices(catalog.config_directories(options.config_dir))
    files: dict[str, Path] = {
        f"{group}/{name}": choice.path for group, choices in known.items() for name, choice in choices.items()
    }
    if options.choice not in files:
        raise RunnerError(
            f"{options.choice}: there is no such choice.{did_you_mean(options.choice, files)} "
            "See: python -m runner list GROUP"
        )
    print(files[options.choice].read_text(encoding="utf-8"), end="")
    return 0
