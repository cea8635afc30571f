"""Compression: from the trained network to the int8 program that takes its place."""

from functools import partial

from torch import Tensor

from runner.build import build
from runner.compression.formats import chosen, kind_of
from runner.compression.quantization.pt2e.lower import obstacle
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.support import back_end
from runner.compression.quantization.pt2e.verify import described, refuse_recurrent
from runner.data.calibration import calibration_batches
from runner.errors import RunnerError
from runner.job import Job
from runner.stages.quantization.corrections import note_corrections
from runner.stages.quantization.fine_tune import fine_tune
from runner.stages.quantization.mixed_precision import mix
from runner.tracking.console import console


def compress(job: Job) -> None:
    """Quantizes by the chosen recipe, proves that integers run, and puts the program into the task.

    Raises:
        RunnerError: the network cannot be captured or quantized, or would run in float.
    """
    if job.quantized is not None:
        raise RunnerError(
            "This network is quantized already; give compress the float network (checkpoint=RUN_DIRECTORY)."
        )
    settings = job.config.quantization
    recipe = build(settings, "recipe")
    job.datamodule.fix_shape()
    job.float_network = job.task.standalone()
    calibration = list(calibration_batches(job.datamodule, **settings.calibration))
    ready = partial(lowered, inputs=calibration[0][: job.config.data.batch_size])
    if "max_drop" in settings:
        quantized = mix(job, recipe, job.float_network, calibration, ready)
    else:
        tuned = partial(fine_tune, job)
        quantized = ready(recipe.apply(job.float_network, calibration, fine_tune=tuned, evaluate=job.monitored))
    job.quantized = job.task.network = quantized.eval()
    job.calibration = calibration
    note_corrections(job, quantized.corrections)
    note_proof(job, quantized)


def lowered(quantized: QuantizedNetwork, inputs: Tensor) -> QuantizedNetwork:
    """Compiled for the batch size of `inputs`, where programs of its back end are compiled here."""
    return quantized.lower(inputs) if quantized.can_lower else quantized


def rehearse(job: Job) -> None:
    """Finds, before any training, what compress and export would refuse after it.

    Where training comes first, the network is captured once more than it has to be: a few seconds, against hours of
    training for a network that no back end can take. Without training, compress itself says it soon enough.

    Raises:
        RunnerError: a network without integer kernels, a layer to skip that it does not have, a network that cannot be
            captured or holds nothing to quantize, or an export format that cannot be had.
    """
    refuse_recurrent(job.task.network)
    recipe = build(job.config.quantization, "recipe")
    network = job.task.standalone()
    if trains_first(job):
        recipe.rehearse(network, job.datamodule.example(job.datamodule.most_at_once or 2).cpu())
    else:
        recipe.selection.resolve(network, recipe.kind)
    if "export" in job.config.stages:
        settings = job.config.quantization
        kind = kind_of({settings.kind, *(settings.per_layer or {}).values()})
        chosen(job.config.export.formats, back_end(settings.backend.name).lowering, kind)


def trains_first(job: Job) -> bool:
    """Whether training is still to come before compress; a resumed run whose training is done has its weights."""
    before = job.config.stages[: list(job.config.stages).index("compress")]
    done = job.resumed and job.checkpoint is not None
    return bool({"fit", "cross_validate"} & set(before)) and not done


def note_proof(job: Job, quantized: QuantizedNetwork) -> None:
    """Which operators and kernels are integer now: among the metrics, and in one line."""
    reach, kernels = quantized.reach, quantized.kernels
    job.metrics |= {
        "compressed/int8_operators": float(reach.reached),
        "compressed/int8_share_of_macs": reach.macs_share,
    }
    line = f"int8: {reach.reached} of {reach.expected} operators, {reach.macs_share:.1%} of the multiply-accumulates"
    if kernels is not None:
        for name, counts in (("int8", kernels.integer), ("float", kernels.floating)):
            job.metrics |= {f"compressed/kernels/{name}/{kind}": float(count) for kind, count in counts.items()}
        line += (
            f"; kernels after lowering: {described(kernels.integer)} in int8, {described(kernels.floating)} in float"
        )
    elif reason := obstacle(quantized.back_end):
        line += f". {reason}"
    console.print(line, soft_wrap=True)
