"""Lightning's part of a training, and what would make it stop at its first epoch's end."""

from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from runner.errors import RunnerError, did_you_mean
from runner.job.context import Context
from runner.tasks.base import Task
from runner.tasks.training_log import DivergedError

# What reading a state of another form raises, and the files that read it, Lightning's and ours.
STRANGE = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError)
RESTORING = ("checkpoint_connector.py", "training_state.py")


def train(context: Context, task: Task, trainer: pl.Trainer, resume_from: Path | None) -> None:
    """Train the task, or go on from a checkpoint in the middle of its training.

    Raises:
        DivergedError: the loss became NaN or infinite; `checkpoints/diverged.ckpt` is left.
        Interrupted: a signal arrived.
        RunnerError: the GPU's memory does not suffice, a checkpoint holds what no training wrote, or Lightning finds
            settings that it can't train by.
    """
    try:
        with context.signals.deferred():
            trainer.fit(task, datamodule=context.datamodule, ckpt_path=resume_from, weights_only=True)
    except DivergedError:
        trainer.save_checkpoint(context.checkpoints / "diverged.ckpt")
        raise
    except MisconfigurationException as error:
        raise RunnerError(f"Lightning can't train by these settings: {' '.join(str(error).split())}") from error
    except torch.OutOfMemoryError as error:
        raise RunnerError(
            f"Out of memory on the GPU: lower data.batch_size (now {context.config.data.batch_size})."
        ) from error
    except STRANGE as error:
        if resume_from is None or not any(
            each.filename.endswith(RESTORING) for each in extract_tb(error.__traceback__)
        ):
            raise
        raise RunnerError(
            f"{resume_from}: its state of the training is damaged, or of another version ({type(error).__name__}: "
            f"{error}). Start from its weights in a run of its own: checkpoint={resume_from}"
        ) from error


def check_monitors(context: Context, task: Task) -> None:
    """Raise RunnerError for a watched metric that the task never measures: Lightning finds that out an epoch later."""
    if not len(context.datamodule.splits["val"]):
        return  # nothing is watched then
    measured = {f"val/{name}" for name in ("loss", *task.validation.names)}
    for key, monitor in monitors(context):
        if isinstance(monitor, str) and monitor.startswith("val/") and monitor not in measured:
            known = ", ".join(sorted(measured))
            raise RunnerError(
                f"{key}={monitor}: this task does not measure that.{did_you_mean(monitor, measured)} It has {known}."
            )


def monitors(context: Context) -> Iterator[tuple[str, str]]:
    """Yield every key that names a metric to watch, with that metric."""
    config = context.config
    yield "task.monitor", config.task.monitor
    if (config.scheduler or {}).get("monitor"):
        yield "scheduler.monitor", config.scheduler.monitor
    for name, callback in (config.callbacks or {}).items():
        if callback.get("monitor"):
            yield f"callbacks.{name}.monitor", callback.monitor
