"""EarlyWeights: keeps the weights that a training had after an early epoch, for what goes back to them later."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from runner.tracking import checkpoints


class EarlyWeights(Callback):
    """A checkpoint of weights, written once.

    Args:
        path: where.
        epoch: after how many epochs; 0 is before the first step.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self.path, self.epoch = path, epoch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.epoch == 0 and trainer.global_step == 0:
            self.write(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == self.epoch:
            self.write(trainer, pl_module)

    def write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the weights as they are; one process of several writes."""
        state = checkpoints.without_distillation_loss(pl_module.state_dict())
        if trainer.is_global_zero:
            checkpoints.save_weights(self.path, {"state_dict": state, "epoch": self.epoch})
