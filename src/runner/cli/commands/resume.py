"""python -m runner resume: go on with a run that stopped."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.config import plugins
from runner.run.launch import go_on

DESCRIPTION = (
    "Continues an interrupted, failed or killed run in its own directory, from its last checkpoint. "
    "On the CPU the finished run equals an uninterrupted one bit for bit."
)
EXAMPLE = "example:\n  python -m runner resume outputs/runs/2026-01-31/12-00-00-cnn-digits"


def main(arguments: Sequence[str]) -> int:
    """Resume and print the result; raise RunnerError where there is nothing to resume."""
    parser = argparse.ArgumentParser(
        "python -m runner resume",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_directory", type=Path)
    go_on(parser.parse_args(plugins.without(arguments)).run_directory)
    return 0
