"""Final figures of runs under one name: a network pruned in one run and quantized in another are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.compression import methods
from runner.report.runs import RunRecord

PREFIX = "final/"
# What a network can have been through, the last first.
PHASES = tuple(reversed(methods.PHASES))


def with_final(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, with `final/accuracy` and the like for all where one of them made its network smaller.

    These are what was measured on test data after the last stage that changed the network.
    """
    if not any(name.partition("/")[0] in PHASES for run in runs for name in run.metrics):
        return list(runs)
    return [replace(run, metrics={**run.metrics, **final(run.metrics)}) for run in runs]


def final(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the final value of every test metric."""
    found = {}
    for name, value in metrics.items():
        kind, _, base = name.partition("/")
        if kind == "test":
            ended = (metrics[after] for phase in PHASES if (after := f"{phase}/{base}") in metrics)
            found[PREFIX + base] = next(ended, value)
    return found
