"""Fine-tuning under rounding: a second training of the run, with checkpoints and curves of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import OmegaConf

from runner.assemble import build_task
from runner.compression.quantization.pt2e.qat import FakeQuantizedNetwork
from runner.job import Job
from runner.tasks.freeze_schedule import FreezeSchedule
from runner.tracking import checkpoints
from runner.tracking.loggers import MetricsFile, TensorBoard, renaming

FOLDER = checkpoints.FINE_TUNED


def fine_tune(job: Job, network: FakeQuantizedNetwork) -> None:
    """Quantization-aware training with its own epochs, rate and checkpoints; the best weights stay in `network`."""
    settings = job.config.quantization.fine_tune
    # The same whether this run trained the float network just now, before an interruption, or another run did.
    pl.seed_everything(job.config.seed, workers=True, verbose=False)
    task = build_task(fine_tuning_config(job), job.datamodule, network=network)
    schedule = FreezeSchedule(network, settings.observers_after, settings.batch_norm_after)
    validate = len(job.datamodule.splits["val"]) > 0
    trainer = job.trainer(validate=validate, folder=FOLDER, extra=[schedule], max_epochs=settings.epochs)
    last = job.record.path / "checkpoints" / FOLDER / f"{checkpoints.LAST}.ckpt"
    with job.signals.deferred(), curves(job, last):
        trainer.fit(task, datamodule=job.datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    best = last.with_name(f"{checkpoints.BEST}.ckpt")
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if best.is_file():
        content = checkpoints.read(best)
        checkpoints.load_weights(task, content, best)
        metrics = content["metrics"]
    job.metrics |= {f"{FOLDER}/{name}": each for name, each in metrics.items() if name.startswith(("train/", "val/"))}


@contextmanager
def curves(job: Job, last: Path) -> Iterator[None]:
    """Writes the curves as `qat/…` behind those of the float training; a resumed run continues them."""
    if job.resumed:
        done = checkpoints.read(last)["global_step"] if last.is_file() else 0
        for logger in job.loggers:
            if isinstance(logger, (MetricsFile, TensorBoard)):
                logger.continue_from(job.steps + done)
    with renaming(job.loggers, f"{FOLDER}/", job.steps):
        yield


def fine_tuning_config(job: Job) -> Any:
    """The run's configuration with the fine-tuning's own learning rate and without a schedule."""
    config = OmegaConf.create(OmegaConf.to_container(job.config))
    OmegaConf.update(config, "optimizer.lr", job.config.quantization.fine_tune.lr)
    config.scheduler = None
    config.task.trainable = "all"
    if "decay_only" in config.task:  # a captured graph names its weights otherwise
        config.task.decay_only = []
    return config
