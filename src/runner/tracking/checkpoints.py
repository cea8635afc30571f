"""Checkpoints: the best and the last epoch, with everything an exact continuation needs, loaded without pickle."""

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import nn

from runner.errors import RunnerError

BEST, LAST = "best", "last"


class BestAndLast(ModelCheckpoint):
    """Keeps `best.ckpt` by one metric and `last.ckpt`, each written at the end of a training epoch.

    Without validation (`monitor=None`) the best is the latest.
    """

    def __init__(self, dirpath: str, monitor: str | None = None, mode: str = "min", every_n_epochs: int = 1) -> None:
        super().__init__(
            dirpath=dirpath,
            filename=BEST,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            every_n_epochs=every_n_epochs,
            save_last=True,
            # After validation and at the same point of every epoch, so that schedulers continue exactly.
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )


class TrainingState(Callback):
    """Puts into each checkpoint the metrics of that moment and the state of every random generator."""

    def __init__(self) -> None:
        self.restored: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["metrics"] = {name: float(value) for name, value in trainer.callback_metrics.items()}

    def state_dict(self) -> dict[str, Any]:
        """The generators' states as tensors and plain numbers, so that `weights_only` loads them."""
        version, words, gauss = random.getstate()
        kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
        return {
            "python": [version, list(words), gauss],
            "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.restored = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores the generators as late as possible: building and loading draw random numbers too."""
        if self.restored is None:
            return
        version, words, gauss = self.restored["python"]
        random.setstate((version, tuple(words), gauss))
        kind, keys, *rest = self.restored["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
        torch.set_rng_state(self.restored["torch"])
        if self.restored["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(self.restored["cuda"])
        self.restored = None


def find(checkpoint: str | Path) -> Path:
    """The file meant by a `checkpoint=` value: a .ckpt file, or the best (else the last) of a run directory.

    Raises:
        RunnerError: there is no such file.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    places = [path / "checkpoints" / f"{name}.ckpt" for name in (BEST, LAST)]
    for place in places:
        if place.is_file():
            return place
    if path.is_dir():
        raise RunnerError(f"checkpoint={checkpoint}: holds neither checkpoints/best.ckpt nor checkpoints/last.ckpt.")
    raise RunnerError(f"checkpoint={checkpoint}: there is no such file or run directory.")


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, loaded with `weights_only=True`.

    Raises:
        RunnerError: the file is missing, damaged, or not a checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunnerError(f"{path}: there is no such checkpoint.") from None
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise RunnerError(f"{path}: damaged, or holds more than plain data and is not loaded ({reason}).") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise RunnerError(f"{path}: the checkpoint is damaged ({str(error).splitlines()[0]}).") from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunnerError(f"{path}: not a checkpoint of this runner (it has no state_dict).")
    return content


def load_weights(module: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Copies a checkpoint's weights into a task.

    Raises:
        RunnerError: the checkpoint is of another network; the first differences are named.
    """
    wanted, given = module.state_dict(), content["state_dict"]
    differences = [f"{key} is missing" for key in wanted if key not in given]
    differences += [f"{key} is not in this network" for key in given if key not in wanted]
    differences += [
        f"{key} has shape {tuple(given[key].shape)}, this network {tuple(wanted[key].shape)}"
        for key in wanted
        if key in given and isinstance(wanted[key], torch.Tensor) and given[key].shape != wanted[key].shape
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise RunnerError(
            f"{path}: the checkpoint is of another network: {'; '.join(differences[:3])}{more}. "
            "Choose the model and data it was trained with (its run directory's config.yaml says which)."
        )
    module.load_state_dict(given)
