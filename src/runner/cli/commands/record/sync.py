"""python -m runner sync: tell tracking services what they have not been told of runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import say
from runner.config import plugins
from runner.errors import RunnerError

DESCRIPTION = (
    "Sends what a tracking service (MLflow, Weights & Biases, …) has missed of runs: it was away, or was not asked for "
    "when they ran. Nothing is sent twice."
)
EXAMPLE = """examples:
  python -m runner sync outputs/runs/2026-01-31/12-00-00-cnn-digits
  python -m runner sync outputs logger=mlflow logger.mlflow.tracking_uri=http://127.0.0.1:5000"""


def main(arguments: Sequence[str]) -> int:
    """Send, and print one line a run; the status is 1 where a service could not be told of one."""
    parser = argparse.ArgumentParser(
        "python -m runner sync",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", nargs="+", metavar="RUN", help="run directories, or directories above them")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options, words = parser.parse_known_args(plugins.without(arguments))
    overrides = [each for each in [*options.places, *words] if "=" in each and not Path(each).exists()]
    if strange := [each for each in overrides if not each.startswith(("logger=", "logger."))]:
        raise RunnerError(f"{strange[0]}: only loggers are chosen here: logger=mlflow logger.mlflow.experiment=mine.")
    if options_unknown := [each for each in words if each not in overrides]:
        raise RunnerError(f"{options_unknown[0]}: there is no such option. See: python -m runner sync --help")

    from runner.job.mirrors import catch_up
    from runner.report.runs import find_runs

    failed = False
    for run in find_runs([Path(each) for each in options.places if each not in overrides]):
        for title, told in catch_up(run.path, overrides, options.config_dir):
            say(f"{title}  {run.path}{'' if told else ': could not be told'}")
            failed = failed or not told
    return int(failed)
