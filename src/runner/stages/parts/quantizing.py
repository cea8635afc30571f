"""What a run quantizes by: the configured recipe, fine-tuning under rounding, and what each correction brought."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from runner.callbacks.freeze_schedule import FreezeSchedule
from runner.compression.network import Step
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.job.build import build, build_node
from runner.job.context import Context
from runner.job.networks import Networks
from runner.stages.parts.fine_tune import Tuning
from runner.stages.parts.fine_tune import fine_tune as fine_tune_float
from runner.tracking import checkpoints
from runner.tracking.console import console

PREFIX = "compressed/corrections"
FOLDER = checkpoints.FINE_TUNED


def quantization_recipe(settings: Any) -> Any:
    """Return the recipe of the section `quantization`.

    Raises:
        RunnerError: settings that mean nothing, or a class that is not allowed.
    """
    target = (settings.get("backend") or {}).get("_target_")
    recipe = build(settings, "recipe")
    if target is None:
        return recipe
    return replace(recipe, back_end=build_node({"_target_": target}, "quantization/backend"))


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


def fine_tune(context: Context, networks: Networks, network: FakeQuantizedNetwork) -> Tuning:
    """Train a fake-quantized network; its best weights stay in it."""
    settings = context.config.quantization.fine_tune
    schedule = FreezeSchedule(network, settings.observers_after, settings.batch_norm_after)
    return fine_tune_float(context, networks, network, FOLDER, epochs=settings.epochs, lr=settings.lr, extra=[schedule])
