"""Checkpoints: the best and the last epoch, written in one place and loaded without pickle."""

import pickle
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner.compression.methods import CHECKPOINTS, FACTORIZATION, FOLDERS, PRUNING, QUANTIZATION
from runner.errors import RunnerError
from runner.files import write_with
from runner.tracking import layout

BEST, LAST = "best", "last"
# Below checkpoints/: what later stages made of the trained network, and their own trainings.
PRUNED, FACTORIZED, FINE_TUNED = PRUNING.folder, FACTORIZATION.folder, QUANTIZATION.folder
# A task's weights that only its distillation loss has; see `tasks.base.Task`.
# The second name is what older checkpoints call them.
DISTILLATION = ("distillation_loss.", "guide.")


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file meant by a `checkpoint=` value: a .ckpt file, or what a run directory ended with.

    Raises:
        RunnerError: there is no such file.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    if place := final_checkpoint(path):
        return place
    if path.is_dir():
        raise RunnerError(f"checkpoint={checkpoint}: holds neither checkpoints/best.ckpt nor checkpoints/last.ckpt.")
    raise RunnerError(f"checkpoint={checkpoint}: there is no such file or run directory.")


def final_checkpoint(directory: Path) -> Path | None:
    """Return the float network that a run ended with: factorized, else pruned, else as trained; None without one."""
    return first_existing(directory, *reversed(CHECKPOINTS), BEST, LAST)


def trained_checkpoint(directory: Path) -> Path | None:
    """Return the checkpoint of a run's network as trained, before anything made it smaller: best, last or None."""
    return first_existing(directory, BEST, LAST)


def first_existing(directory: Path, *names: str) -> Path | None:
    """Return the first of these checkpoints that a run directory holds."""
    places = [directory / layout.CHECKPOINTS / f"{name}.ckpt" for name in names]
    return next((place for place in places if place.is_file()), None)


def remove_derived(directory: Path) -> None:
    """Remove what was made of weights that a new training replaces."""
    for name in CHECKPOINTS:
        (directory / layout.CHECKPOINTS / f"{name}.ckpt").unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(directory / layout.CHECKPOINTS / name, ignore_errors=True)


def save_weights(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint of weights, without the state of a training; see `read`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_with(path, lambda file: torch.save(content, file), durable=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the content of a checkpoint, loaded with `weights_only=True`.

    Raises:
        RunnerError: the file is missing, damaged, or not a checkpoint.
    """
    try:
        verify(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunnerError(f"{path}: there is no such checkpoint.") from None
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise RunnerError(f"{path}: damaged, or holds more than plain data and is not loaded ({reason}).") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = next(iter(str(error).splitlines()), "the file ends too early")
        raise RunnerError(f"{path}: the checkpoint is damaged ({reason}).") from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunnerError(f"{path}: not a checkpoint of this runner (it has no state_dict).")
    return content


def verify(path: Path) -> None:
    """Compare a checkpoint with the checksums that it carries; torch loads one with a flipped bit without a word.

    Raises:
        zipfile.BadZipFile, zlib.error: a part of it is not what was written.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"the checksum of {broken} is wrong")


def load_weights(module: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Copy a checkpoint's weights into a task; what only guided the training is left out.

    Raises:
        RunnerError: the checkpoint is of another network; the first differences are named.
    """
    check_same_network(module, content, path)
    guiding = {name: value for name, value in module.state_dict().items() if name.startswith(DISTILLATION)}
    module.load_state_dict(without_distillation_loss(content["state_dict"]) | guiding)


def without_distillation_loss(state: dict[str, Any]) -> dict[str, Any]:
    """Return weights without those of a distillation loss."""
    return {name: value for name, value in state.items() if not name.startswith(DISTILLATION)}


def check_same_network(module: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Raise RunnerError where a checkpoint's weights are not this task's, naming the first differences."""
    wanted, given = without_distillation_loss(module.state_dict()), without_distillation_loss(content["state_dict"])
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
