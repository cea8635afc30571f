"""After a signal: the batch is finished, a checkpoint written, the run left ready to be resumed."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from runner.tracking.signals import Signals


class StopOnSignal(Callback):
    """Writes `last.ckpt` after the batch in which a signal arrived, then raises Interrupted."""

    def __init__(self, signals: Signals, path: Path) -> None:
        self.signals = signals
        self.path = path

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        if self.signals.received is not None:
            trainer.save_checkpoint(self.path)
            self.signals.check()
