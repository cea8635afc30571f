"""Checkpoints: the best and the last epoch, written in one place and loaded without pickle."""

import io
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from runner.errors import RunnerError
from runner.tracking.files import write_bytes

BEST, LAST = "best", "last"
# What later stages made of the trained network, the last of them first.
PRUNED, FACTORIZED = "pruned", "factorized"
MADE = (FACTORIZED, PRUNED)
# Below checkpoints/: those of the fine-tuning under rounding.
FINE_TUNED = "qat"
# A task's weights that only guide its training; see `tasks.base.Task`.
GUIDE = "guide."


class BestAndLast(ModelCheckpoint):
    """Keeps `best.ckpt` by one metric and `last.ckpt`, each written at the end of a training epoch.

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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As always, also where the run directory has moved: which epoch was best is known all the same."""
        before, now = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict(moved(state_dict, before, now))


def moved(value: Any, before: str, now: str) -> Any:
    """The same nested value with every path below the directory `before` put below `now`."""
    if isinstance(value, dict):
        return {moved(key, before, now): moved(each, before, now) for key, each in value.items()}
    inside = isinstance(value, str) and (value == before or value.startswith(f"{before}/"))
    return now + value[len(before) :] if inside else value


def find(checkpoint: str | Path) -> Path:
    """The file meant by a `checkpoint=` value: a .ckpt file, or what a run directory ended with.

    Raises:
        RunnerError: there is no such file.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    if place := kept(path):
        return place
    if path.is_dir():
        raise RunnerError(f"checkpoint={checkpoint}: holds neither checkpoints/best.ckpt nor checkpoints/last.ckpt.")
    raise RunnerError(f"checkpoint={checkpoint}: there is no such file or run directory.")


def kept(directory: Path) -> Path | None:
    """The float network that a run ended with: factorized, else pruned, else as trained; None where none was kept."""
    return first(directory, *MADE, BEST, LAST)


def trained(directory: Path) -> Path | None:
    """A run's network as it was trained, before anything made it smaller: the best weights, else the last, else
    None."""
    return first(directory, BEST, LAST)


def first(directory: Path, *names: str) -> Path | None:
    """The first of these checkpoints that a run directory holds."""
    places = [directory / "checkpoints" / f"{name}.ckpt" for name in names]
    return next((place for place in places if place.is_file()), None)


def forget_after(directory: Path) -> None:
    """Removes what was made of weights that a new training replaces."""
    for name in MADE:
        (directory / "checkpoints" / f"{name}.ckpt").unlink(missing_ok=True)
    for name in (*MADE, FINE_TUNED):
        shutil.rmtree(directory / "checkpoints" / name, ignore_errors=True)


def keep(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint of weights, without the state of a training; see `read`."""
    file = io.BytesIO()
    torch.save(content, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, file.getvalue())


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
        reason = next(iter(str(error).splitlines()), "the file ends too early")
        raise RunnerError(f"{path}: the checkpoint is damaged ({reason}).") from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunnerError(f"{path}: not a checkpoint of this runner (it has no state_dict).")
    return content


def load_weights(module: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Copies a checkpoint's weights into a task; what only guided the training is left out.

    Raises:
        RunnerError: the checkpoint is of another network; the first differences are named.
    """
    check_same_network(module, content, path)
    guiding = {name: value for name, value in module.state_dict().items() if name.startswith(GUIDE)}
    module.load_state_dict(unguided(content["state_dict"]) | guiding)


def unguided(state: dict[str, Any]) -> dict[str, Any]:
    """Weights without those of a guide."""
    return {name: value for name, value in state.items() if not name.startswith(GUIDE)}


def check_same_network(module: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Raises RunnerError where a checkpoint's weights are not this task's; names the first differences."""
    wanted, given = unguided(module.state_dict()), unguided(content["state_dict"])
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
