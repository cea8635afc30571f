"""Mixed precision: the int8 program with as few layers left in float as the allowed drop needs, and its record."""

from typing import Any

from torch import Tensor, nn

from runner.compression.quantization.pt2e.mixed import DropNotReachedError, Mixture, quantize_mixed
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.recipes import Recipe
from runner.errors import RunnerError
from runner.job import Job
from runner.tracking import checkpoints
from runner.tracking.console import console
from runner.tracking.files import write_json

PREFIX = "compressed/mixed"
ARTIFACT = "mixed_precision"


def mix(job: Job, recipe: Recipe, network: nn.Module, batches: list[Tensor]) -> tuple[QuantizedNetwork, Mixture]:
    """The program, and the mixture it was made by.

    Raises:
        RunnerError: no selection keeps the drop within `quantization.max_drop`; the best one found is recorded.
    """
    allowed = job.config.quantization.max_drop
    best_is_high = job.config.task.monitor_mode == "max"
    try:
        return quantize_mixed(recipe, network, batches, job.monitored, allowed, best_is_high)
    except DropNotReachedError as error:
        note(job, error.best, None)
        job.record.update_status(metrics=job.metrics)
        raise RunnerError(f"{error} {way_on(job)}") from error


def way_on(job: Job) -> str:
    """How to go on with the network as it was trained, which is still there."""
    kept = checkpoints.kept(job.record.path) or job.checkpoint
    if kept is None:
        return "The trained network was not kept: the checkpoint callback was left out."
    place = job.record.path if kept.is_relative_to(job.record.path) else kept
    return (
        f"The trained network is kept; without training again: checkpoint={place} stages=[compress,test] "
        "quantization=ptq_mixed quantization.max_drop=…"
    )


def confirm(job: Job, quantized: QuantizedNetwork, mixture: Mixture) -> None:
    """Measures the program itself, which rounds between layers too, and says where it drops more than allowed."""
    metric = job.monitored(quantized)
    sign = 1.0 if job.config.task.monitor_mode == "max" else -1.0
    drop, allowed = sign * (mixture.sensitivity.floating - metric), job.config.quantization.max_drop
    note(job, mixture, drop)
    left = ", ".join(mixture.skip) or "no layer"
    line = f"Left in float: {left}; {job.config.task.monitor} drops by {drop:.4g} ({mixture.drop:.4g} in simulation)"
    console.print(line, soft_wrap=True)
    if drop > allowed:
        console.print(
            f"That is more than quantization.max_drop={allowed:g}: the simulation leaves out rounding that belongs to "
            "no layer (additions, pooling). Ask for a smaller max_drop, or fine-tune (quantization=qat).",
            soft_wrap=True,
        )


def note(job: Job, mixture: Mixture, drop: float | None) -> None:
    """The mixture among the metrics, and with every layer's sensitivity in `artifacts/mixed_precision.json`."""
    found: dict[str, Any] = {
        "float_layers": list(mixture.skip),
        "monitor": job.config.task.monitor,
        "max_drop": job.config.quantization.max_drop,
        "drop": drop,
        "simulated_drop": mixture.drop,
        "float": mixture.sensitivity.floating,
        "all_int8": mixture.sensitivity.quantized,
        "layers": {it.layer: {"only_this": it.only, "all_but_this": it.all_but} for it in mixture.sensitivity.layers},
    }
    job.metrics[f"{PREFIX}/float_layers"] = float(len(mixture.skip))
    job.metrics[f"{PREFIX}/simulated_drop"] = mixture.drop
    if drop is not None:
        job.metrics[f"{PREFIX}/drop"] = drop
    path = job.record.path / "artifacts" / f"{ARTIFACT}.json"
    write_json(path, found)
    job.keep(ARTIFACT, path)
