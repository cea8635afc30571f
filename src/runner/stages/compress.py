"""Compression: from the trained network to the quantized one that takes its place."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

from runner.compression.network import CompressedNetwork
from runner.data.calibration import calibration_batches
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.measure import nested
from runner.measure.nested import Nested
from runner.stages.parts.distillation import check_teacher
from runner.stages.parts.fine_tune import Tuning
from runner.stages.parts.quantizing import FOLDER, quantization_recipe, record_corrections
from runner.stages.parts.quantizing import fine_tune as fine_tune_rounded
from runner.tracking.console import console

Compressed = TypeVar("Compressed", bound=CompressedNetwork)


def compress(context: Context, networks: Networks) -> StageResult:
    """Quantize by the chosen recipe, prove what runs now, and put it into the task.

    Raises:
        RunnerError: the network cannot be captured or quantized, or would run in float.
    """
    config, settings, datamodule = context.config, context.config.quantization, context.datamodule
    recipe = quantization_recipe(settings)
    datamodule.fix_shape()
    networks, task = networks.with_baseline(), networks.task
    calibration = list(context.signals.between(calibration_batches(datamodule, **settings.calibration)))
    ready = partial(lowered, inputs=nested.head(calibration[0], config.data.batch_size))
    result, tunings = StageResult(), list[Tuning]()

    def fine_tune(network: object) -> None:
        tunings.append(fine_tune_rounded(context, networks, network))  # type: ignore[arg-type]

    compressed: CompressedNetwork
    if "max_drop" in settings:
        from runner.stages.parts.mixed_precision import mix

        compressed, result = mix(context, networks, recipe, calibration, ready)
    else:
        evaluate = partial(context.monitored, task)
        compressed = ready(recipe.apply(networks.floating, calibration, fine_tune=fine_tune, evaluate=evaluate))
    context.signals.check()
    task.network = compressed.eval()
    metrics = dict(result.metrics)
    for tuning in tunings:
        metrics |= {f"{FOLDER}/{name}": each for name, each in tuning.metrics.items()}
    metrics |= record_corrections(config.task.monitor, compressed.corrections)
    found, line = compressed.proof()
    metrics |= {f"compressed/{name}": value for name, value in found.items()}
    console.print(line, soft_wrap=True)
    steps = networks.steps + sum(tuning.steps for tuning in tunings)
    return StageResult(metrics, result.artifacts, replace(networks, quantized=compressed, steps=steps))


def lowered(compressed: Compressed, inputs: Nested) -> Compressed:
    """Return it compiled for the batch size of `inputs`, where programs of its kind are compiled here."""
    if compressed.can_lower:
        compressed.lower(inputs)
    return compressed


def preflight(context: Context, networks: Networks) -> None:
    """Find, before any training, what compress would refuse after it.

    Where training comes first, the network is captured once more than it has to be: a few seconds, against hours of
    training for a network that no back end can take. Without training, compress itself says it soon enough.

    Raises:
        RunnerError: a network without integer kernels, a layer to skip that it does not have, a network that cannot be
            captured or holds nothing to quantize, or a teacher that cannot teach.
    """
    config = context.config
    recipe = quantization_recipe(config.quantization)
    network = networks.task.standalone()
    recipe.check(network)
    check_teacher(context, networks)
    if context.dry_run or trains_first(context, networks):
        recipe.preflight(network, context.example())


def trains_first(context: Context, networks: Networks) -> bool:
    """Return whether training is still to come before compress; a resumed run may be past it."""
    stages = list(context.config.stages)
    before = stages[: stages.index("compress")]
    done = context.resumed and networks.checkpoint is not None
    return bool({"fit", "cross_validate"} & set(before)) and not done
