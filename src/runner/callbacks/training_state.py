"""TrainingState: what an exact continuation needs and Lightning's checkpoints do not hold or restore."""

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from runner.tracking.loggers import place_in


class TrainingState(Callback):
    """The metrics of the moment and the state of every random generator, kept in each checkpoint.

    On continuation it restores the generators and three things that Lightning loses: the place in the training data
    (its loader's state is skipped where a schedule asked for the number of steps), that early stopping had decided to
    stop, and the step of a plateau schedule, which comes after the checkpoint of its epoch.
    """

    def __init__(self) -> None:
        self.generators: dict[str, Any] | None = None
        self.checkpoint: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        metrics = trainer.callback_metrics.items()
        checkpoint["metrics"] = {name: float(value) for name, value in metrics if name.startswith(("train/", "val/"))}
        loader: Any = trainer.train_dataloader
        checkpoint["training"] = {
            "should_stop": bool(trainer.should_stop),
            "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
        }
        loops = trainer.fit_loop
        step = loops.epoch_loop._batches_that_stepped - 1
        checkpoint["curves"] = place_in(trainer.loggers, waiting(trainer) if at_epoch_end(loops) else {}, step)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
        at_epoch_end = progress["processed"] > progress["completed"]
        self.checkpoint = {**checkpoint["training"], "metrics": checkpoint["metrics"] if at_epoch_end else {}}

    def state_dict(self) -> dict[str, Any]:
        """Return the generators' states as tensors and plain numbers, so that `weights_only` loads them."""
        version, words, gauss = random.getstate()
        kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
        return {
            "python": [version, list(words), gauss],
            "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.generators = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore as late as possible: building and loading draw random numbers too."""
        if self.checkpoint is not None:
            loader: Any = trainer.train_dataloader
            if self.checkpoint["loader"] is not None and hasattr(loader, "load_state_dict"):
                loader.load_state_dict(self.checkpoint["loader"])
            trainer.should_stop = self.checkpoint["should_stop"]
            step_plateaus(trainer, self.checkpoint["metrics"])
        if self.generators is not None:
            set_generators(self.generators)
        self.checkpoint = self.generators = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Step plateau schedules in the epoch in which training continued: Lightning skips it for want of metrics."""
        trainer.fit_loop.restarting = False


def at_epoch_end(loops: Any) -> bool:
    """Return whether an epoch's last step is done, and the epoch is not yet over."""
    progress = loops.epoch_progress.current
    return bool(progress.processed > progress.completed)


def waiting(trainer: pl.Trainer) -> dict[str, float]:
    """Return the metrics of the epoch, which Lightning gives to the loggers once all callbacks have been called."""
    metrics = trainer._logger_connector.metrics["log"]
    return {**{name: float(value) for name, value in metrics.items()}, "epoch": float(trainer.current_epoch)}


def step_plateaus(trainer: pl.Trainer, metrics: dict[str, float]) -> None:
    """Take the step that plateau schedules would have taken after the epoch that ended with these metrics."""
    for config in trainer.lr_scheduler_configs:
        due = config.interval == "epoch" and trainer.current_epoch % config.frequency == 0
        if config.reduce_on_plateau and due and config.monitor in metrics:
            config.scheduler.step(metrics[config.monitor])  # type: ignore[arg-type]


def set_generators(state: dict[str, Any]) -> None:
    """Restore Python's, NumPy's and torch's random generators."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
