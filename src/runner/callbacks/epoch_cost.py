"""EpochCost: what each epoch of training takes, in seconds and in memory."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from runner.measure.machine import rise_above, start_counting


class EpochCost(Callback):
    """Log of `train/epoch_seconds` and `train/epoch_memory_bytes`: batches and steps, without validation and records.

    Memory is how far the process rose above where it stood when the epoch began (resident, on Linux; elsewhere it is
    left out). It is counted in pages, so small networks show little.
    """

    def __init__(self) -> None:
        self.started, self.before = 0.0, start_counting()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.before = start_counting()
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_last_batch:
            return
        cost = {"train/epoch_seconds": time.perf_counter() - self.started}
        memory = rise_above(self.before)
        if memory is not None:
            cost["train/epoch_memory_bytes"] = float(memory)
        pl_module.log_dict(cost, on_step=False, on_epoch=True, batch_size=1)
