"""python -m runner package: a run as a folder that serves by itself, with a Dockerfile and a model card."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import say
from runner.config import plugins
from runner.errors import RunnerError

DESCRIPTION = (
    "Writes a folder that serves without this project and without PyTorch: the ONNX or OpenVINO file, what it reads "
    "and says as plain values, the code of the server, requirements, a Dockerfile, MODEL_CARD.md and a request to try."
)
EXAMPLE = "example:\n  python -m runner package outputs/runs/2026-01-31/12-00-00-cnn-digits --output app"


def main(arguments: Sequence[str]) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(
        "python -m runner package",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, or one of its artifacts")
    parser.add_argument("--output", "-o", type=Path, required=True, help="a new folder")
    parser.add_argument("--format", help="onnx or openvino; by default the faster")
    parser.add_argument("--name", help="in addresses; the run's by default")
    parser.add_argument("--no-hashes", action="store_true", help="don't ask an index for the hashes of packages")
    options = parser.parse_args(plugins.without(arguments))
    if not options.run.exists():
        raise RunnerError(f"{options.run}: there is no such run directory or artifact.")

    from runner.job.chosen import packaged_run
    from runner.job.packaging.folder import write

    served, result, environment = packaged_run(options.run, options.name, options.format)
    for line in write(options.output, served, result, environment, offline=options.no_hashes):
        say(line)
    return 0
