"""The Lightning trainer of a run, with the configured callbacks and those that every run has."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Callback

from runner.callbacks.checkpoint import BestAndLast, DurableCheckpoints
from runner.callbacks.interruption import StopOnRequest, StopOnSignal
from runner.callbacks.pictures import Pictures
from runner.callbacks.progress import progress
from runner.callbacks.training_state import TrainingState
from runner.callbacks.watch.watch import Watch
from runner.job.assemble import balances, build_trainer
from runner.job.build import build
from runner.job.context import Context
from runner.tasks.base import Task
from runner.tracking.checkpoints import LAST


def make_trainer(
    context: Context,
    task: Task,
    *,
    validate: bool = True,
    recording: bool = True,
    folder: str = "",
    extra: Sequence[Callback] = (),
    **overrides: Any,
) -> pl.Trainer:
    """Return a fresh trainer; without validation it keeps the latest weights, without recording it writes nothing.

    Args:
        folder: below `checkpoints/`, for a second training of the same run.
        extra: further callbacks.
        overrides: settings of the trainer other than the configured ones.

    Raises:
        RunnerError: this machine or this network cannot do what the trainer was asked.
    """
    skip_driver_search()
    # Before whatever averages weights.
    own = _callbacks(context, validate=validate, recording=recording, folder=folder)
    callbacks = [*_keep_zeros(task), *extra, *own]
    settings: dict[str, Any] = {
        "logger": (context.loggers if recording else []) or False,
        "callbacks": callbacks,
        "default_root_dir": str(context.record.path),
        "enable_checkpointing": any(isinstance(each, pl.callbacks.Checkpoint) for each in callbacks),
        "enable_model_summary": False,
        "enable_progress_bar": any(isinstance(each, pl.callbacks.ProgressBar) for each in callbacks),
        **overrides,
    }
    if not context.config.trainer.get("plugins"):
        settings["plugins"] = [DurableCheckpoints()]
    trainer = build_trainer(context.config, **settings)
    keep_sigterm(trainer)
    return trainer


def keep_sigterm(trainer: pl.Trainer) -> None:
    """Take SIGTERM from Lightning, which would end any loop with an exit of its own as soon as one arrives.

    It puts its handler before the one that it finds, the run's (`tracking.signals`), which now is all that is called.
    """
    trainer._signal_connector._sigterm_notifier_fn = lambda *_: None  # type: ignore[method-assign]


def _keep_zeros(task: Task) -> list[Callback]:
    if not task.structure:
        return []
    from runner.callbacks.keep_zeros import KeepZeros
    from runner.compression.pruning.zeros import kept_by

    return [KeepZeros()] if kept_by(task.structure) else []


def skip_driver_search() -> None:
    """Keep torch from searching for an NVIDIA driver where there is no GPU.

    Lightning makes torch ask the driver whether there is a GPU, and optimizers ask at every step: 80 microseconds each
    time where there is no driver to be found.
    """
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def _callbacks(context: Context, *, validate: bool, recording: bool, folder: str) -> list[Callback]:
    config = context.config
    configured = {name: build(config, f"callbacks.{name}") for name in config.callbacks or {}}
    chosen = [each for name, each in configured.items() if takes_part(name, each, validate, recording)]
    for each in chosen:
        if isinstance(each, BestAndLast):
            each.monitor = each.monitor if validate else None
            each.dirpath = str(Path(each.dirpath or "") / folder)
    own: list[Callback] = [progress()]
    if not folder and OmegaConf.select(config, "batch_norm.recalibrate", default=False):
        from runner.callbacks.recalibration import RecalibrateBatchNorm

        own.append(RecalibrateBatchNorm())  # after whatever averages weights
    if recording:
        stop = StopOnSignal(context.signals, context.checkpoints / folder / f"{LAST}.ckpt")
        main = [Watch(context.record, balanced=balances(config)), Pictures(), StopOnRequest(context.record)]
        own += [TrainingState(), *([] if folder else main), stop]
    return [*chosen, *own]


def takes_part(name: str, callback: Callback, validate: bool, recording: bool) -> bool:
    """Return whether a configured callback takes part: early stopping needs validation, checkpoints a record."""
    if isinstance(callback, pl.callbacks.EarlyStopping):
        return validate
    if isinstance(callback, (pl.callbacks.Checkpoint, pl.callbacks.LearningRateMonitor)) or name == "profile":
        return recording
    return True
