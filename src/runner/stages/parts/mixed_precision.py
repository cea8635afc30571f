"""Mixed precision: the int8 program with as few layers left in float as the allowed drop needs, and its record."""

from dataclasses import asdict
from functools import partial
from typing import Any

from runner.compression.quantization.mixed import DropNotReachedError, Mixture, Ready, SelectionTrial, quantize_mixed
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import Recipe
from runner.errors import RunnerError
from runner.files import write_json
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.measure.nested import Nested
from runner.tracking import checkpoints
from runner.tracking.console import console

PREFIX = "compressed/mixed"
ARTIFACT = "mixed_precision"


def mix(
    context: Context, networks: Networks, recipe: Recipe, batches: list[Nested], ready: Ready
) -> tuple[QuantizedNetwork, StageResult]:
    """Return the program, as `ready` hands it back, and the record of what was tried for it, which is also printed.

    Raises:
        RunnerError: no selection keeps the drop within `quantization.max_drop`; the best one found is recorded.
    """
    config = context.config
    allowed, best_is_high = config.quantization.max_drop, config.task.monitor_mode == "max"
    evaluate = partial(context.monitored, networks.task)
    try:
        quantized, mixture = quantize_mixed(recipe, networks.floating, batches, evaluate, allowed, best_is_high, ready)
    except DropNotReachedError as error:
        found = record(context, error.best)
        context.record.update_status(metrics={**context.results.metrics, **found.metrics})
        raise RunnerError(f"{error} {remedy(context, networks)}") from error
    show(config.task.monitor, allowed, mixture)
    return quantized, record(context, mixture)


def remedy(context: Context, networks: Networks) -> str:
    """Return how to go on with the network as it was trained, which is still there."""
    directory = context.record.path
    kept = checkpoints.final_checkpoint(directory) or networks.checkpoint
    if kept is None:
        return "The trained network was not kept: the checkpoint callback was left out."
    place = directory if kept.is_relative_to(directory) else kept
    return (
        f"The trained network is kept; without training again: checkpoint={place} stages=[compress,test] "
        "quantization=ptq_mixed quantization.max_drop=…"
    )


def show(metric: str, max_drop: float, mixture: Mixture) -> None:
    """Print what is left in float and what it costs; where simulation promised too much, how the search went on."""
    line = f"Left in float: {layers_of(mixture.chosen)}; {metric} drops by {mixture.chosen.drop:.4g}"
    console.print(f"{line} ({mixture.settled.drop:.4g} in simulation)", soft_wrap=True)
    for trial in mixture.programs[:-1]:
        console.print(
            f"Not enough was leaving {layers_of(trial)}: {metric} dropped by {trial.drop:.4g}, more than "
            f"quantization.max_drop={max_drop:g}. Simulation leaves out rounding that belongs "
            "to no layer (additions, pooling).",
            soft_wrap=True,
        )


def layers_of(trial: SelectionTrial) -> str:
    """Return the names of the layers that a selection leaves in float."""
    return ", ".join(trial.skip) or "no layer"


def record(context: Context, mixture: Mixture) -> StageResult:
    """Write all that was tried and every layer's sensitivity to `artifacts/mixed_precision.json`; return metrics."""
    config, drop = context.config, mixture.chosen.drop if mixture.programs else None
    found: dict[str, Any] = {
        "float_layers": list(mixture.chosen.skip),
        "monitor": config.task.monitor,
        "max_drop": config.quantization.max_drop,
        "drop": drop,
        "simulated_drop": mixture.settled.drop,
        "float": mixture.sensitivity.floating,
        "all_int8": mixture.sensitivity.quantized,
        "layers": {it.layer: {"only_this": it.only, "all_but_this": it.all_but} for it in mixture.sensitivity.layers},
        "tried": {
            "in_simulation": [asdict(trial) for trial in mixture.simulated],
            "as_program": [asdict(trial) for trial in mixture.programs],
        },
    }
    metrics = {
        f"{PREFIX}/float_layers": float(len(mixture.chosen.skip)),
        f"{PREFIX}/simulated_drop": mixture.settled.drop,
    }
    if drop is not None:
        metrics[f"{PREFIX}/drop"] = drop
    path = context.artifacts / f"{ARTIFACT}.json"
    write_json(path, found)
    return StageResult(metrics, {ARTIFACT: context.artifact(path)})
