"""Compression: from the trained network to the int8 program that takes its place."""

from runner.build import build
from runner.compression.formats import chosen
from runner.compression.quantization.pt2e.capture import capture
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.support import back_end
from runner.compression.quantization.pt2e.verify import refuse_recurrent
from runner.data.calibration import calibration_batches
from runner.errors import RunnerError
from runner.job import Job
from runner.stages.quantization.fine_tune import fine_tune
from runner.stages.quantization.mixed_precision import confirm, mix
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
    mixture = None
    if "max_drop" in settings:
        quantized, mixture = mix(job, recipe, job.float_network, calibration)
    else:
        quantized = recipe.apply(job.float_network, calibration, fine_tune=lambda network: fine_tune(job, network))
    if quantized.can_lower:
        quantized.lower(calibration[0][: job.config.data.batch_size])
    job.quantized = job.task.network = quantized.eval()
    job.calibration = calibration
    note_proof(job, quantized)
    if mixture is not None:
        confirm(job, quantized, mixture)


def rehearse(job: Job) -> None:
    """Finds, before any training, what compress and export would refuse after it.

    Raises:
        RunnerError: a network without integer kernels, a layer to skip that it does not have, or an export format
            that cannot be had.
    """
    refuse_recurrent(job.task.network)
    recipe = build(job.config.quantization, "recipe")
    network = job.task.standalone()
    recipe.selection.resolve(network, recipe.kind)
    if job.datamodule.most_at_once == 1:  # whether messages between nodes can be captured differs from net to net
        capture(network, job.datamodule.example(1))
    if "export" in job.config.stages:
        chosen(job.config.export.formats, back_end(job.config.quantization.backend.name).lowering)


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
    console.print(line, soft_wrap=True)


def described(counts: dict[str, int]) -> str:
    """`2 conv, 1 linear`, or `none`."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
