"""What each correction of static int8 brought: one line, and the same as metrics."""

from collections.abc import Iterable

from runner.compression.network import Step
from runner.tracking.console import console

PREFIX = "compressed/corrections"


def record_corrections(monitor: str, steps: Iterable[Step]) -> dict[str, float]:
    """Print and return the output's SQNR and the monitored metric before and after each correction, in their order."""
    metrics: dict[str, float] = {}
    for step in steps:
        place = f"{PREFIX}/{step.name}"
        metrics |= {f"{place}/before_sqnr_db": step.before_sqnr_db, f"{place}/after_sqnr_db": step.after_sqnr_db}
        line = f"{step.name} ({step.done}): output SQNR {step.before_sqnr_db:.1f} -> {step.after_sqnr_db:.1f} dB"
        if step.before_metric is not None and step.after_metric is not None:
            metric = monitor.rpartition("/")[2]
            metrics |= {f"{place}/before_{metric}": step.before_metric, f"{place}/after_{metric}": step.after_metric}
            line += f"; {monitor} {step.before_metric:.4g} -> {step.after_metric:.4g}"
        console.print(line, soft_wrap=True)
    return metrics
