"""Keep the best and the last epoch of a training as checkpoints, and write them so that none is ever cut."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from runner.files import write_with
from runner.tracking.checkpoints import BEST, LAST
from runner.tracking.loggers import push


class BestAndLast(ModelCheckpoint):
    """Checkpoints `best.ckpt` by one metric and `last.ckpt`, each written at the end of a training epoch.

    Without validation (`monitor=None`) the best is the latest. Lightning's own `save_last` writes only after epochs
    that were among the best.
    """

    def __init__(self, dirpath: str, monitor: str | None = None, mode: str = "min", every_n_epochs: int = 1) -> None:
        super().__init__(
            dirpath=dirpath,
            filename=BEST,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            every_n_epochs=every_n_epochs,
            # After validation and at the same point of every epoch, so that schedulers continue exactly.
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.period = every_n_epochs

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if (trainer.current_epoch + 1) % self.period == 0:
            trainer.save_checkpoint(Path(str(self.dirpath)) / f"{LAST}.ckpt")
            push(trainer.loggers)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state, also where the run directory has moved: which epoch was best is known all the same."""
        before, now = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict(relocated(state_dict, before, now))


def relocated(value: Any, before: str, now: str) -> Any:
    """Return the same nested value with every path below the directory `before` put below `now`."""
    if isinstance(value, dict):
        return {relocated(key, before, now): relocated(each, before, now) for key, each in value.items()}
    inside = isinstance(value, str) and (value == before or value.startswith(f"{before}/"))
    return now + value[len(before) :] if inside else value


class DurableCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place, flush it, and rename it: whatever happens, the one before or the new one.

    Lightning itself moves a temporary file from another file system into place, which is a copy: a kill in its middle
    leaves a cut file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint; returns once the disk holds it."""
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_with(place, lambda file: torch.save(checkpoint, file), durable=True)
