"""FreezeSchedule: when quantization-aware training stops moving ranges and batch-norm statistics."""

from typing import Protocol

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class Freezable(Protocol):
    """The part of a fake-quantized network that the schedule uses."""

    def follow_schedule(self, epoch: int, observers_after: int | None, batch_norm_after: int | None) -> None: ...


class FreezeSchedule(Callback):
    """At the start of each epoch, freezes what is due; the same where training goes on in mid-epoch.

    Args:
        network: the fake-quantized network in training.
        observers_after, batch_norm_after: the first epoch (from 0) in which they no longer move; None is never.
    """

    def __init__(self, network: Freezable, observers_after: int | None, batch_norm_after: int | None) -> None:
        self.network = network
        self.observers_after, self.batch_norm_after = observers_after, batch_norm_after

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Freeze what was due: Lightning begins no epoch where it continues inside one."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.network.follow_schedule(trainer.current_epoch, self.observers_after, self.batch_norm_after)
