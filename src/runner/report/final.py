"""Final figures of runs under one name: a network pruned in one run and quantized in another are compared."""

from collections.abc import Sequence
from dataclasses import replace

from runner.report.ranking.outcome import bases, ended_with, phase_of, validation_name
from runner.report.runs import RunRecord

PREFIX = "final/"


def with_final(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, with `final/accuracy` and `final/val/accuracy` for all where one made its network smaller.

    Or where some have folds and some a validation split. These are what was measured on test and on validation data
    after the last stage that changed the network, whatever stages a run had; of a run with folds, the mean over them.
    """
    found = {validation_name(run.metrics, monitor_of(run)) for run in runs} - {None}
    several = len(found) > len({monitor_of(run) for run in runs})
    if not several and not any(phase_of(run.metrics) for run in runs):
        return list(runs)
    measured = bases(run.metrics for run in runs)
    measured |= {monitor_of(run).removeprefix("val/") for run in runs} - {""}
    return [replace(run, metrics={**run.metrics, **final(run, measured)}) for run in runs]


def final(run: RunRecord, measured: set[str]) -> dict[str, float]:
    """Return the final value of every metric on validation and test data."""
    return {PREFIX + name: value for name, value in ended_with(run.metrics, measured).items()}


def monitor_of(run: RunRecord) -> str:
    """Return the metric that a run was watched by; empty where it recorded none."""
    return str(run.settings.get("task.monitor") or "")
