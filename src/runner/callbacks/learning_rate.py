"""The learning rate as a curve."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor


class LearningRate(LearningRateMonitor):
    """Lightning's monitor, silent instead of refusing when the run has no logger."""

    def on_train_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.loggers:
            super().on_train_start(trainer, *args, **kwargs)

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.loggers:
            super().on_train_batch_start(trainer, *args, **kwargs)

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.loggers:
            super().on_train_epoch_start(trainer, *args, **kwargs)
