"""After a signal or a request: the step is finished, a checkpoint written, the run left as whoever asked wants it."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint

from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import Interrupted, Signals, stop_requested


class StopOnRequest(Callback):
    """End of training after the validation that finds a request; the run goes on with its next stage."""

    def __init__(self, record: RunDirectory) -> None:
        self.record = record

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where a stop is requested; all processes of a run stop at the same epoch."""
        reason = stop_requested(self.record.path)
        if trainer.strategy.reduce_boolean_decision(reason is not None, all=False) and not trainer.should_stop:
            trainer.should_stop = True
            self.record.update_status(stopped=reason)


class StopOnSignal(Checkpoint):
    """Checkpoint `last.ckpt` after the training step in which a signal arrived, then Interrupted.

    A signal in the last step of an epoch waits for the epoch's end: Lightning would not validate that epoch when it
    continues from a checkpoint written in between. The last epoch's end is the training's, after which the caller
    looks at the signals.

    Lightning calls a `Checkpoint` after all other callbacks, so what they hold is of the same moment.
    """

    def __init__(self, signals: Signals, path: Path) -> None:
        self.signals, self.path = signals, path
        self.stopping: int | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Gradients that were accumulated for the next step are in no checkpoint.
        between_steps = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        number = self.received_signal(trainer)
        if number is not None and between_steps and not trainer.is_last_batch:
            trainer.save_checkpoint(self.path)
            raise Interrupted(number)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stopping = self.received_signal(trainer)
        if self.stopping is not None:
            trainer.save_checkpoint(self.path)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between epochs: by now the loggers have the metrics of the one that ended."""
        if self.stopping is not None:
            raise Interrupted(self.stopping)

    def received_signal(self, trainer: pl.Trainer) -> int | None:
        """Return the signal that any process of the run received; all of them answer alike, at the same step."""
        own = self.signals.received or 0
        if trainer.world_size == 1:
            return own or None
        number = torch.tensor(float(own), device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(number, reduce_op="max")) or None
