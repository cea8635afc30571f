"""Progress of a run: a live bar on a terminal, one plain line per epoch elsewhere."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar

from runner.tracking.console import console

# One for each class: too many for a line.
RECALLS = "/recall/"


class EpochLines(Callback):
    """Lines `epoch 3/10  train/loss 0.123  val/accuracy 0.981  4.1 s`, printed after every epoch."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        names = [name for name in sorted(trainer.callback_metrics) if name.startswith(("train/", "val/"))]
        names = [name for name in names if RECALLS not in name]
        metrics = [f"{name} {float(trainer.callback_metrics[name]):.4g}" for name in names]
        seconds = time.perf_counter() - self.started
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        console.print("  ".join([epoch, *metrics, f"{seconds:.1f} s"]), highlight=False, soft_wrap=True)


def progress() -> Callback:
    """Return the bar where somebody watches, the lines where nobody does."""
    return EpochBar(leave=True) if console.is_terminal else EpochLines()


class EpochBar(RichProgressBar):
    """Lightning's rich bar without the version number, which says nothing here."""

    def get_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        items = super().get_metrics(*args, **kwargs)
        items.pop("v_num", None)
        return {name: value for name, value in items.items() if RECALLS not in name}
