"""FineTuneCost: what fine-tuning trains and stores, and what a step of it takes."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from runner.compression.finetuning.adapters import parameter_counts, trained_state
from runner.measure.machine import rise_above, start_counting


class FineTuneCost(Callback):
    """Log of `finetune/…`: trainable parameters and their share, bytes to store, seconds a step, peak memory in bytes.

    A step is a batch without its loading, validation and records, the mean over what this process trained. Memory is
    the network's own, and what the process rose above the beginning of the training, counted like `EpochCost`'s.
    """

    def __init__(self) -> None:
        self.before: int | None = None
        self.began = self.seconds = 0.0
        self.steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.before = start_counting()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seconds += time.perf_counter() - self.began
        self.steps += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        network: Any = pl_module.network
        trained, every = parameter_counts(network)
        cost = {
            "finetune/trainable_parameters": float(trained),
            "finetune/trainable_share": trained / max(1, every),
            "finetune/stored_bytes": float(
                sum(each.numel() * each.element_size() for each in trained_state(network).values())
            ),
            "finetune/step_seconds": self.seconds / max(1, self.steps),
        }
        memory = rise_above(self.before)
        if memory is not None:
            own = sum(each.nbytes for each in (*network.parameters(), *network.buffers()))
            cost["finetune/peak_memory_bytes"] = float(own + memory)
        pl_module.log_dict(cost, on_step=False, on_epoch=True, batch_size=1, logger=False)
