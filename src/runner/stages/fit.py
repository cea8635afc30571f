"""Training: from a task with fresh or given weights to one with the best weights it found."""

import pytorch_lightning as pl
import torch

from runner.errors import RunnerError
from runner.job.job import Job
from runner.stages.cross_validate import cross_validate
from runner.stages.parts.distillation import guided
from runner.stages.parts.early_weights import keeping_early_weights
from runner.tasks.divergence import DivergedError
from runner.tracking import checkpoints
from runner.tracking.console import console

# A network that can learn at all gets this far on one batch.
MEMORISED_SHARE_OF_LOSS = 0.05


def fit(job: Job) -> None:
    """Trains, keeps the best weights, and takes over their metrics.

    Raises:
        DivergedError: the loss became NaN or infinite; `checkpoints/diverged.ckpt` is left.
        Interrupted: a signal arrived; `checkpoints/last.ckpt` is left.
    """
    if job.config.mode == "overfit":
        overfit(job)
        return
    validate = len(job.datamodule.splits["val"]) > 0
    if job.config.cross_validation.folds:
        cross_validate(job)
        job.datamodule.use_all_for_training()
        job.task = job.new_task()
        validate = False
    train(job, validate=validate)


def train(job: Job, *, validate: bool) -> None:
    """One training from start, or from where an interrupted one stopped, to its best weights."""
    trainer = job.trainer(validate=validate, extra=keeping_early_weights(job))
    with guided(job, job.task):
        if job.config.compile:
            job.task.network.compile()
        go(job, trainer)
    job.steps = trainer.global_step
    # What an interrupted run made smaller or fine-tuned began from weights that nobody kept.
    checkpoints.remove_derived(job.record.path)
    job.collect(trainer.callback_metrics, "train/", "val/", "data/")
    keep_best(job)


def go(job: Job, trainer: pl.Trainer) -> None:
    """Lightning's part of a training."""
    try:
        with job.signals.deferred():
            trainer.fit(job.task, datamodule=job.datamodule, ckpt_path=job.resume_from, weights_only=True)
    except DivergedError:
        trainer.save_checkpoint(job.record.path / "checkpoints" / "diverged.ckpt")
        raise
    except torch.OutOfMemoryError as error:
        raise RunnerError(
            f"Out of memory on the GPU: lower data.batch_size (now {job.config.data.batch_size})."
        ) from error


def keep_best(job: Job) -> None:
    """Loads the best weights, where a checkpoint callback kept them, and the metrics they were kept for."""
    folder = job.record.path / "checkpoints"
    best = folder / f"{checkpoints.BEST}.ckpt"
    if not best.is_file():
        # What a signal left in mid-training would pass for the result.
        (folder / f"{checkpoints.LAST}.ckpt").unlink(missing_ok=True)
        job.checkpoint = None
        return
    content = checkpoints.read_checkpoint(best)
    checkpoints.load_weights(job.task, content, best)
    job.collect(content["metrics"], "train/", "val/", "data/")
    job.checkpoint = best


def overfit(job: Job) -> None:
    """Trains on one unaugmented batch and says whether the network could memorise it."""
    job.datamodule.keep_one_batch()
    trainer = job.trainer(validate=False)
    first = job.task.loss_on(job.datamodule.training_example())
    go(job, trainer)
    last = job.task.loss_on(job.datamodule.training_example())
    job.metrics |= {"overfit/first_loss": first, "overfit/last_loss": last}
    if last <= first * MEMORISED_SHARE_OF_LOSS:
        verdict = f"memorised one batch: loss {first:.3g} → {last:.3g}. Model, loss and optimizer work together."
    else:
        verdict = (
            f"did NOT memorise one batch: loss {first:.3g} → {last:.3g} after {trainer.current_epoch} epochs. "
            "Look at optimizer.lr, at the loss, and at whether inputs and targets belong together."
        )
    console.print(f"Verdict: {job.config.name} {verdict}", soft_wrap=True)
