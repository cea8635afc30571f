"""python -m runner verify: does an experiment still reach what it promises?"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from runner.config.compose import compose
from runner.errors import RunnerError
from runner.measure.machine import has_integer_dot_product

SPEED = "gain/speed/"
NO_DOT_PRODUCT = "is promised for CPUs with an integer dot product (VNNI or AMX on x86), which this one lacks"
DESCRIPTION = (
    "Runs an experiment and compares its metrics with those its file expects. Exit status 1 if one falls short."
)
EXAMPLE = "example:\n  python -m runner verify experiment=linear_regression"


@dataclass(frozen=True)
class Expectation:
    """What an experiment's file promises under `expected`.

    Attributes:
        metric: a metric of the run.
        value: what it reaches, or the name of the metric that it comes near to.
        tolerance: how far it may fall short.
        mode: `max` or `min`.
    """

    metric: str
    value: float | str
    tolerance: float
    mode: str

    def shortfall(self, metrics: Mapping[str, float]) -> float:
        """Return how far the run falls short of the promise beyond the tolerance; 0 where it is kept.

        Raises:
            RunnerError: the run has no such metric.
        """
        value, measured = self.wanted(metrics), measurement(metrics, self.metric)
        distance = value - measured if self.mode == "max" else measured - value
        return max(0.0, distance - self.tolerance)

    def wanted(self, metrics: Mapping[str, float]) -> float:
        """Return the value that is promised."""
        return measurement(metrics, self.value) if isinstance(self.value, str) else self.value

    def verdict(self, metrics: Mapping[str, float]) -> str:
        """Return in a line whether the promise is kept, and by what."""
        of = f" ({self.value})" if isinstance(self.value, str) else ""
        return (
            f"{'NOT kept' if self.shortfall(metrics) else 'kept'}: {self.metric} is {metrics[self.metric]:.4g}, "
            f"expected {self.wanted(metrics):.4g}{of} within {self.tolerance:.2g}"
        )


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
    promises = expected(composed.config)

    from runner.run.launch import execute

    metrics = execute(composed).metrics
    judged = [promise for promise in promises if can_be_kept(promise)]
    for promise in promises:
        print(promise.verdict(metrics) if promise in judged else f"not judged: {promise.metric} {NO_DOT_PRODUCT}")
    return int(any(promise.shortfall(metrics) for promise in judged))


def can_be_kept(promise: Expectation) -> bool:
    """Return whether this machine can keep it: how much faster integers are is promised for CPUs that multiply them."""
    return has_integer_dot_product() or not promise.metric.startswith(SPEED)


def measurement(metrics: Mapping[str, float], name: str) -> float:
    """Return a metric of the run; raises RunnerError where it has none of that name."""
    if name not in metrics:
        raise RunnerError(f"expected: the run has no {name}; it has {', '.join(sorted(metrics))}.")
    return metrics[name]


def expected(config: DictConfig) -> list[Expectation]:
    """Return the promises of the composed experiment, the main one first."""
    node = config.expected
    if missing := [key for key in ("metric", "value", "tolerance") if node.get(key) is None]:
        raise RunnerError(
            f"This configuration does not say what it expects (expected.{', expected.'.join(missing)}): "
            "choose an experiment (python -m runner list experiment)."
        )
    values = {node.metric: node.value, **node.also}
    near = [Expectation(metric, value, node.tolerance, node.mode) for metric, value in values.items()]
    return near + [Expectation(metric, value, 0.0, "max") for metric, value in node.at_least.items()]
