"""Compression: from the trained network to the quantized one that takes its place."""

from functools import partial
from typing import TypeVar

from runner import nested
from runner.compression.files.formats import WEIGHTS, chosen, is_structured, kind_of
from runner.compression.network import CompressedNetwork
from runner.compression.quantization.backends.support import back_end
from runner.data.calibration import calibration_batches
from runner.errors import RunnerError
from runner.job.build import build
from runner.job.job import Job
from runner.nested import Nested
from runner.stages.parts.corrections import note_corrections
from runner.stages.parts.mixed_precision import mix
from runner.stages.parts.pruning_context import example
from runner.stages.parts.qat import fine_tune
from runner.tracking.console import console

Compressed = TypeVar("Compressed", bound=CompressedNetwork)


def compress(job: Job) -> None:
    """Quantizes by the chosen recipe, proves what runs now, and puts it into the task.

    Raises:
        RunnerError: the network cannot be captured or quantized, or would run in float.
    """
    if job.compressed is not None:
        raise RunnerError(
            "This network is quantized already; give compress the float network (checkpoint=RUN_DIRECTORY)."
        )
    settings = job.config.quantization
    recipe = build(settings, "recipe")
    job.datamodule.fix_shape()
    job.remember_dense()
    job.float_network = job.task.standalone()
    calibration = list(calibration_batches(job.datamodule, **settings.calibration))
    ready = partial(lowered, inputs=nested.head(calibration[0], job.config.data.batch_size))
    if "max_drop" in settings:
        compressed = mix(job, recipe, job.float_network, calibration, ready)
    else:
        tuned = partial(fine_tune, job)
        compressed = ready(recipe.apply(job.float_network, calibration, fine_tune=tuned, evaluate=job.monitored))
    job.compressed = job.task.network = compressed.eval()
    job.phase = "compressed"
    job.calibration = calibration
    note_corrections(job, compressed.corrections)
    metrics, line = compressed.proof()
    job.metrics |= {f"{job.phase}/{name}": value for name, value in metrics.items()}
    console.print(line, soft_wrap=True)


def lowered(compressed: Compressed, inputs: Nested) -> Compressed:
    """Compiled for the batch size of `inputs`, where programs of its kind are compiled here."""
    if compressed.can_lower:
        compressed.lower(inputs)
    return compressed


def preflight(job: Job) -> None:
    """Finds, before any training, what compress and export would refuse after it.

    Where training comes first, the network is captured once more than it has to be: a few seconds, against hours of
    training for a network that no back end can take. Without training, compress itself says it soon enough.

    Raises:
        RunnerError: a network without integer kernels, a layer to skip that it does not have, a network that cannot be
            captured or holds nothing to quantize, or an export format that cannot be had.
    """
    settings = job.config.quantization
    recipe = build(settings, "recipe")
    network = job.task.standalone()
    recipe.check(network)
    if trains_first(job):
        recipe.preflight(network, example(job))
    structured = partial(is_structured, network, example(job))
    if "export" in job.config.stages and "backend" in settings:
        kind = kind_of({settings.kind, *(settings.per_layer or {}).values()})
        chosen(job.config.export.formats, back_end(settings.backend.name).lowering, kind, structured)
    elif "export" in job.config.stages:
        chosen(job.config.export.formats, kind=WEIGHTS, structured=structured)


def trains_first(job: Job) -> bool:
    """Whether training is still to come before compress; a resumed run whose training is done has its weights."""
    before = job.config.stages[: list(job.config.stages).index("compress")]
    done = job.resumed and job.checkpoint is not None
    return bool({"fit", "cross_validate"} & set(before)) and not done
