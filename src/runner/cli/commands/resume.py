"""python -m runner resume: go on with a run that stopped."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.config import plugins
from runner.run.going_on import go_on

DESCRIPTION = (
    "Continues an interrupted, failed or killed run in its own directory, from its last checkpoint. "
    "On the CPU the finished run equals an uninterrupted one bit for bit. With overrides it goes on with other "
    "settings: a finished run trains for more epochs, a stopped one at another rate. Model, data, task and seed stay; "
    "what was changed is written to resumed.yaml, and a result until then is kept in earlier/."
)
EXAMPLE = (
    "example:\n  python -m runner resume outputs/runs/2026-01-31/12-00-00-cnn-digits\n"
    "  python -m runner resume outputs/runs/2026-01-31/12-00-00-cnn-digits trainer.max_epochs=40 optimizer.lr=1e-4"
)


def main(arguments: Sequence[str]) -> int:
    """Resume and print the result; raise RunnerError where there is nothing to resume."""
    parser = argparse.ArgumentParser(
        "python -m runner resume",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_directory", type=Path)
    parser.add_argument("overrides", nargs="*", help="settings that change: key=value")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own that holds choices of the run")
    options = parser.parse_intermixed_args(plugins.without(arguments))
    go_on(options.run_directory, options.overrides, options.config_dir)
    return 0
