"""Compression: from the trained network to the int8 program that takes its place."""

import copy
from typing import Any

from omegaconf import OmegaConf
from torch import nn

from runner.assemble import build_task
from runner.build import build
from runner.compression.formats import chosen
from runner.compression.quantization.pt2e.mixed import quantize_mixed
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.qat import FakeQuantizedNetwork
from runner.compression.quantization.pt2e.support import back_end
from runner.data.calibration import calibration_batches
from runner.errors import RunnerError
from runner.job import Job
from runner.tasks.freeze_schedule import FreezeSchedule
from runner.tracking import checkpoints
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
    job.float_network = copy.deepcopy(job.task.network).cpu().eval()
    calibration = list(calibration_batches(job.datamodule, **settings.calibration))
    if "max_drop" in settings:
        quantized, mixture = quantize_mixed(
            recipe,
            job.float_network,
            calibration,
            lambda network: monitored(job, network),
            settings.max_drop,
            job.config.task.monitor_mode == "max",
        )
        console.print(f"Left in float: {', '.join(mixture.skip) or 'no layer'} (drop {mixture.drop:.4g} in simulation)")
    else:
        quantized = recipe.apply(job.float_network, calibration, fine_tune=lambda network: fine_tune(job, network))
    if quantized.can_lower:
        quantized.lower(calibration[0][: job.config.data.batch_size])
    job.quantized = job.task.network = quantized.eval()
    job.calibration = calibration
    note_proof(job, quantized)


def rehearse(job: Job) -> None:
    """Finds, before any training, what compress and export would refuse after it.

    Raises:
        RunnerError: a layer to skip that the network does not have, or an export format that cannot be had.
    """
    recipe = build(job.config.quantization, "recipe")
    recipe.selection.resolve(job.task.network, recipe.kind)
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


def monitored(job: Job, network: nn.Module) -> float:
    """The task's monitored metric of a network on the validation data (training data where there is none)."""
    module = job.datamodule
    name = "val" if len(module.splits["val"]) else "train"
    samples = module.splits[name]
    size = job.config.data.batch_size
    parts = samples.indices.split(size)
    batches = ((module.transform(samples.rows[part]), samples.row_targets[part]) for part in parts)
    return job.task.measure(network, batches)[job.config.task.monitor]


def fine_tune(job: Job, network: FakeQuantizedNetwork) -> None:
    """Quantization-aware training with its own epochs, rate and checkpoints; the best weights stay in `network`."""
    settings = job.config.quantization.fine_tune
    task = build_task(fine_tuning_config(job), job.datamodule, network=network)
    schedule = FreezeSchedule(network, settings.observers_after, settings.batch_norm_after)
    validate = len(job.datamodule.splits["val"]) > 0
    trainer = job.trainer(validate=validate, folder="qat", extra=[schedule], max_epochs=settings.epochs)
    last = job.record.path / "checkpoints" / "qat" / f"{checkpoints.LAST}.ckpt"
    with job.signals.deferred():
        trainer.fit(task, datamodule=job.datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    best = last.with_name(f"{checkpoints.BEST}.ckpt")
    if best.is_file():
        content = checkpoints.read(best)
        checkpoints.load_weights(task, content, best)
        job.metrics |= {f"qat/{name}": value for name, value in content["metrics"].items() if "/" in name}


def fine_tuning_config(job: Job) -> Any:
    """The run's configuration with the fine-tuning's own learning rate and without a schedule."""
    config = OmegaConf.create(OmegaConf.to_container(job.config))
    OmegaConf.update(config, "optimizer.lr", job.config.quantization.fine_tune.lr)
    config.scheduler = None
    config.task.trainable = "all"
    return config
