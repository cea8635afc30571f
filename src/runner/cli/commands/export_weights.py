"""python -m runner export-weights: a run's weights for other tools."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import say

DESCRIPTION = (
    "Writes the float network of a run as weights.safetensors and as weights.pt, a plain state_dict with the names of "
    "the network alone: torch, timm and torchvision load both. Of a run that made its network smaller it is the "
    "smaller one; an int8 program is no set of weights and lies among the run's artifacts."
)
EXAMPLE = "example:\n  python -m runner export-weights outputs/runs/2026-01-31/12-00-00-cnn-digits --output weights"


def main(arguments: Sequence[str]) -> int:
    """Write the files and print where; raises RunnerError where a run has no weights."""
    parser = argparse.ArgumentParser(
        "python -m runner export-weights",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, or a checkpoint")
    parser.add_argument(
        "--output", "-o", type=Path, metavar="DIRECTORY", help="where to; the run's artifacts otherwise"
    )
    options = parser.parse_args(arguments)

    from runner.job.export_weights import export_weights

    for line in export_weights(options.run, options.output):
        say(line)
    return 0
