"""python -m runner verify: does an experiment still reach what it promises?"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from runner.config.compose import compose
from runner.errors import RunnerError

DESCRIPTION = (
    "Runs an experiment and compares its metric with the one its file expects. Exit status 1 if it falls short."
)
EXAMPLE = "example:\n  python -m runner verify experiment=linear_regression"


@dataclass(frozen=True)
class Expectation:
    """What an experiment's file promises under `expected`."""

    metric: str
    value: float
    tolerance: float
    mode: str

    def shortfall(self, measured: float) -> float:
        """Return how far the measured value falls short of the promise beyond the tolerance; 0 where it is kept."""
        distance = self.value - measured if self.mode == "max" else measured - self.value
        return max(0.0, distance - self.tolerance)


def main(arguments: Sequence[str]) -> int:
    """0 when the promise is kept, 1 when not; raises RunnerError for an experiment without one."""
    parser = argparse.ArgumentParser(
        "python -m runner verify",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="+", help="experiment=NAME and further overrides")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    composed = compose(options.overrides, options.config_dir)
    expectation = expected(composed.config)

    from runner.run.launch import execute

    metrics = execute(composed).metrics
    if expectation.metric not in metrics:
        raise RunnerError(f"expected.metric={expectation.metric}: the run has {', '.join(sorted(metrics))}.")
    measured = metrics[expectation.metric]
    kept = expectation.shortfall(measured) == 0
    print(
        f"{'kept' if kept else 'NOT kept'}: {expectation.metric} is {measured:.4g}, "
        f"expected {expectation.value:.4g} within {expectation.tolerance:.2g}"
    )
    return 0 if kept else 1


def expected(config: DictConfig) -> Expectation:
    """Return the promise of the composed experiment."""
    node = config.expected
    if missing := [key for key in ("metric", "value", "tolerance") if node.get(key) is None]:
        raise RunnerError(
            f"This configuration does not say what it expects (expected.{', expected.'.join(missing)}): "
            "choose an experiment (python -m runner list experiment)."
        )
    return Expectation(node.metric, node.value, node.tolerance, node.mode)
