"""Mixed precision: the int8 program with as few layers left in float as the allowed drop needs, and its record."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from runner.compression.quantization.mixed import DropNotReachedError, Mixture, Ready, Trial, quantize_mixed
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import Recipe
from runner.errors import RunnerError
from runner.files import write_json
from runner.job.job import Job
from runner.tracking import checkpoints
from runner.tracking.console import console

PREFIX = "compressed/mixed"
ARTIFACT = "mixed_precision"


def mix(job: Job, recipe: Recipe, network: nn.Module, batches: list[Tensor], ready: Ready) -> QuantizedNetwork:
    """The program, as `ready` hands it back; what was tried for it is recorded and said.

    Raises:
        RunnerError: no selection keeps the drop within `quantization.max_drop`; the best one found is recorded.
    """
    allowed = job.config.quantization.max_drop
    best_is_high = job.config.task.monitor_mode == "max"
    try:
        quantized, mixture = quantize_mixed(recipe, network, batches, job.monitored, allowed, best_is_high, ready)
    except DropNotReachedError as error:
        note(job, error.best)
        job.record.update_status(metrics=job.metrics)
        raise RunnerError(f"{error} {way_on(job)}") from error
    note(job, mixture)
    say(job, mixture)
    return quantized


def way_on(job: Job) -> str:
    """How to go on with the network as it was trained, which is still there."""
    kept = checkpoints.final_checkpoint(job.record.path) or job.checkpoint
    if kept is None:
        return "The trained network was not kept: the checkpoint callback was left out."
    place = job.record.path if kept.is_relative_to(job.record.path) else kept
    return (
        f"The trained network is kept; without training again: checkpoint={place} stages=[compress,test] "
        "quantization=ptq_mixed quantization.max_drop=…"
    )


def say(job: Job, mixture: Mixture) -> None:
    """What is left in float and what it costs; where simulation promised too much, how much further the search went."""
    metric = job.config.task.monitor
    line = f"Left in float: {named(mixture.chosen)}; {metric} drops by {mixture.chosen.drop:.4g}"
    console.print(f"{line} ({mixture.settled.drop:.4g} in simulation)", soft_wrap=True)
    for trial in mixture.programs[:-1]:
        console.print(
            f"Not enough was leaving {named(trial)}: {metric} dropped by {trial.drop:.4g}, more than "
            f"quantization.max_drop={job.config.quantization.max_drop:g}. Simulation leaves out rounding that belongs "
            "to no layer (additions, pooling).",
            soft_wrap=True,
        )


def named(trial: Trial) -> str:
    """The layers a selection leaves in float."""
    return ", ".join(trial.skip) or "no layer"


def note(job: Job, mixture: Mixture) -> None:
    """The mixture among the metrics; with all that was tried and every layer's sensitivity in
    `artifacts/mixed_precision.json`."""
    drop = mixture.chosen.drop if mixture.programs else None
    found: dict[str, Any] = {
        "float_layers": list(mixture.chosen.skip),
        "monitor": job.config.task.monitor,
        "max_drop": job.config.quantization.max_drop,
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
    job.metrics[f"{PREFIX}/float_layers"] = float(len(mixture.chosen.skip))
    job.metrics[f"{PREFIX}/simulated_drop"] = mixture.settled.drop
    if drop is not None:
        job.metrics[f"{PREFIX}/drop"] = drop
    path = job.record.path / "artifacts" / f"{ARTIFACT}.json"
    write_json(path, found)
    job.keep(ARTIFACT, path)
