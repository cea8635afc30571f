"""Lightning's part of a training: the callbacks that only a first one needs, and what would stop it early."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from traceback import extract_tb

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from runner.errors import RunnerError, did_you_mean
from runner.job.assemble import is_finetuned, is_staged
from runner.job.context import Context
from runner.job.networks import Networks
from runner.tasks.base import Task
from runner.tasks.optimization import head_of
from runner.tasks.training_log import DivergedError
from runner.tracking import checkpoints
from runner.tracking.console import console

# What reading a state of another form raises, and the files that read it, Lightning's and ours.
STRANGE = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError)
RESTORING = ("checkpoint_connector.py", "training_state.py")
RATE = "optimizer.lr"


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


def first_callbacks(context: Context, networks: Networks) -> list[Callback]:
    """Return the callbacks of the first training."""
    # What freezes comes last: changed settings are those of a network of which everything that trains at all is told.
    found = [
        early_weights(context),
        changed_settings(context, networks),
        finetune_cost(context),
        gradual_unfreezing(context, networks.task),
        rank_allocation(context, networks.task),
    ]
    return [each for each in found if each is not None]


def early_weights(context: Context) -> Callback | None:
    """Return what keeps early weights, so that pruning can go back to them."""
    epoch = context.config.pruning.get("rewind_epoch")
    if epoch is None:
        return None
    from runner.callbacks.early_weights import EarlyWeights
    from runner.stages.parts.early_weights import place

    return EarlyWeights(place(context.record.path, epoch), epoch)


def changed_settings(context: Context, networks: Networks) -> Callback | None:
    """Return what changes the settings of the checkpoint that training goes on from, where it has to.

    A checkpoint that was written after the change has the new settings already.
    """
    if networks.resume_from is None:
        return None
    from runner.tracking.resumptions import changed_at

    step = int(checkpoints.read_checkpoint(networks.resume_from).get("global_step", 0))
    found = changed_at(context.record.path, step)
    if found is None:
        return None
    from runner.callbacks.changed_settings import ChangedSettings

    before, after = found
    return ChangedSettings(after[RATE] / before[RATE] if before.get(RATE) and after.get(RATE) else 1.0)


def finetune_cost(context: Context) -> Callback | None:
    """Return what notes the cost of fine-tuning."""
    if not is_finetuned(context.config):
        return None
    from runner.callbacks.finetune_cost import FineTuneCost

    return FineTuneCost()


def gradual_unfreezing(context: Context, task: Task) -> Callback | None:
    """Return what lets one part of the network after the other train."""
    if not is_staged(context.config):
        return None
    from runner.callbacks.gradual_unfreezing import GradualUnfreezing
    from runner.tasks.depth import parts_of

    settings, last = context.config.finetune, context.config.trainer.max_epochs
    if last is not None and last <= settings.epochs * (settings.parts - 1):
        opened = -(-last // settings.epochs)
        text = f"finetune=staged: {opened} of {settings.parts} parts train in trainer.max_epochs={last} epochs"
        console.print(text, markup=False, soft_wrap=True)
    parts = parts_of(task.network, head_of(task.network), settings.parts)
    return GradualUnfreezing(task.network, parts, settings.epochs)


def rank_allocation(context: Context, task: Task) -> Callback | None:
    """Return what takes ranks from the layers that need them least."""
    settings = context.config.get("finetune") or {}
    if settings.get("kind") != "adalora":
        return None
    from runner.callbacks.rank_allocation import RankAllocation
    from runner.compression.finetuning.settings import RankSchedule

    return RankAllocation(
        task.network, RankSchedule(**{each.name: settings[each.name] for each in fields(RankSchedule)})
    )
