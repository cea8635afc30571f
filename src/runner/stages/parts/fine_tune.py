"""Fine-tuning: a second training of a run's network, with epochs, rate, checkpoints and curves of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Callback
from torch import nn

from runner.job.assemble import build_task
from runner.job.job import Job
from runner.stages.parts.distillation import guided
from runner.tracking import checkpoints
from runner.tracking.loggers import MetricsFile, TensorBoard, renaming


def fine_tune(
    job: Job,
    network: nn.Module,
    folder: str,
    *,
    epochs: int,
    lr: float,
    schedule: bool = False,
    extra: Sequence[Callback] = (),
) -> dict[str, float]:
    """Trains `network` in place; its best weights stay in it. Returns its last (or best) `train/…` and `val/…`.

    Interrupted and resumed, it goes on from `checkpoints/FOLDER/last.ckpt`. Curves are written as `FOLDER/…` behind
    those of the trainings before. The teacher guides it, where there is one.

    Args:
        folder: below `checkpoints/`; may have parts (`pruned/round_1`).
        schedule: follow the run's own schedule, with `lr` as its rate; otherwise the rate stays as it is.
        extra: further callbacks.
    """
    # The same whether this run trained the network just now, before an interruption, or another run did.
    pl.seed_everything(job.config.seed, workers=True, verbose=False)
    task = build_task(own_config(job, lr, schedule), job.datamodule, network=network)
    task.structure = job.task.structure
    validate = len(job.datamodule.splits["val"]) > 0
    trainer = job.trainer(validate=validate, folder=folder, extra=extra, max_epochs=epochs)
    last = job.record.path / "checkpoints" / folder / f"{checkpoints.LAST}.ckpt"
    with guided(job, task), job.signals.deferred(), curves(job, folder, last):
        trainer.fit(task, datamodule=job.datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    job.steps += trainer.global_step
    best = last.with_name(f"{checkpoints.BEST}.ckpt")
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if best.is_file():
        content = checkpoints.read_checkpoint(best)
        checkpoints.load_weights(task, content, best)
        metrics = content["metrics"]
    return {name: each for name, each in metrics.items() if name.startswith(("train/", "val/"))}


@contextmanager
def curves(job: Job, folder: str, last: Path) -> Iterator[None]:
    """Writes the curves as `FOLDER/…` behind those of earlier trainings; a resumed run continues them."""
    if job.resumed:
        done = checkpoints.read_checkpoint(last)["global_step"] if last.is_file() else 0
        for logger in job.loggers:
            if isinstance(logger, (MetricsFile, TensorBoard)):
                logger.continue_from(job.steps + done)
    with renaming(job.loggers, f"{folder}/", job.steps):
        yield


def own_config(job: Job, lr: float, schedule: bool) -> Any:
    """The run's configuration with the fine-tuning's own learning rate."""
    config = OmegaConf.create(OmegaConf.to_container(job.config))
    OmegaConf.update(config, "optimizer.lr", lr)
    if not schedule:
        config.scheduler = None
    config.task.trainable = "all"
    if "decay_only" in config.task:  # a captured graph names its weights otherwise
        config.task.decay_only = []
    return config
