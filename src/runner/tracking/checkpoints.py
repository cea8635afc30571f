"""Checkpoints: the best and the last epoch, written in one place and loaded without pickle."""

import pickle
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from runner.compression.constraints import Rule, mistakes
from runner.compression.methods import CHECKPOINTS, FACTORIZATION, FOLDERS, PRUNING, QUANTIZATION
from runner.errors import RunnerError
from runner.files import write_with
from runner.tracking import layout
from runner.tracking.weights import files, loading
from runner.tracking.weights.loading import LoadedWeights
from runner.tracking.weights.matching import State, inside, kept

BEST, LAST = "best", "last"
# Below checkpoints/: what later stages made of the trained network, and their own trainings.
PRUNED, FACTORIZED, FINE_TUNED = PRUNING.folder, FACTORIZATION.folder, QUANTIZATION.folder
# A task's weights that only its distillation loss has; see `tasks.base.Task`.
# The second name is what older checkpoints call them.
DISTILLATION = ("distillation_loss.", "guide.")
# What the names of a task's network begin with.
NETWORK = "network."
# No other tool's checkpoints have these.
ONLY_OWN = ("structure", "training_log", "training", "metrics")


def counts_epochs(loops: Any) -> bool:
    """Return whether Lightning's counts say how many epochs a training began and ended."""
    for key in ("fit_loop", "epoch_progress", "current"):
        loops = loops.get(key) if isinstance(loops, dict) else None
    return isinstance(loops, dict) and all(isinstance(loops.get(key), int) for key in ("ready", "processed"))


@dataclass
class CheckpointEntries:
    """What each entry of a checkpoint must be."""

    state_dict: dict  # type: ignore[type-arg]
    epoch: int
    global_step: int
    structure: list[dict]  # type: ignore[type-arg]
    curves: dict  # type: ignore[type-arg]
    metrics: dict  # type: ignore[type-arg]
    loops: Annotated[dict, Rule("counts of epochs", counts_epochs)]  # type: ignore[type-arg]


class DamagedCheckpointError(RunnerError):
    """Say that a checkpoint is not what was written."""


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file meant by a `checkpoint=` value: a file, what a run directory ended with, or a folder's weights.

    Raises:
        RunnerError: there is no such file.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    if place := final_checkpoint(path) or files.in_folder(path):
        return place
    if path.is_dir():
        raise RunnerError(
            f"checkpoint={checkpoint}: holds neither checkpoints/best.ckpt nor checkpoints/last.ckpt, "
            f"nor {', '.join(files.IN_FOLDERS)}."
        )
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
        RunnerError: the file is missing, damaged (DamagedCheckpointError), or not a checkpoint.
    """
    try:
        files.verify(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunnerError(f"{path}: there is no such checkpoint.") from None
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise DamagedCheckpointError(
            f"{path}: damaged, or holds more than plain data and is not loaded ({reason})."
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = next(iter(str(error).splitlines()), "the file ends too early")
        raise DamagedCheckpointError(f"{path}: the checkpoint is damaged ({reason}).") from None
    files.refuse_swollen(content, path)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunnerError(f"{path}: not a checkpoint of this runner (it has no state_dict).")
    if wrong := mistakes(CheckpointEntries, content):
        raise RunnerError(f"{path}: not a checkpoint of this runner ({'; '.join(each[:200] for each in wrong)}).")
    return content


def read_any(path: Path) -> dict[str, Any]:
    """Read a file of weights, this runner's or another tool's; see `weights.files.read`."""
    content = files.read(path)
    if is_own(content) and (wrong := mistakes(CheckpointEntries, content)):
        raise RunnerError(f"{path}: not a checkpoint of this runner ({'; '.join(each[:200] for each in wrong)}).")
    return content


def is_own(content: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint was written by this runner, which keeps a task's network and more beside it."""
    state = content.get("state_dict")
    if not isinstance(state, Mapping) or not any(key in content for key in ONLY_OWN):
        return False
    return any(str(name).startswith(NETWORK) for name in state)


def load_weights(task: nn.Module, content: dict[str, Any], path: Path, *, strict: bool = True) -> LoadedWeights:
    """Copy a checkpoint's weights into a task; what only guided the training is left out.

    Of a checkpoint of this runner that is the network, and what the task keeps beside it (the scale of its targets). A
    file of another tool has a network alone.

    Args:
        content: see `read_checkpoint` and `read_any`.
        strict: see `weights.loading.load`.

    Raises:
        RunnerError: the checkpoint is of another network; the first differences are named.
    """
    network = task.network
    assert isinstance(network, nn.Module)
    if not is_own(content):
        content = content["state_dict"] if files.STRUCTURE in content else content
        return loading.load(network, content, path, strict=strict)
    state = without_distillation_loss(content["state_dict"])
    beside = {name: value for name, value in task.state_dict().items() if not name.startswith((NETWORK, *DISTILLATION))}
    if strict:
        refuse_others_beside(beside, state, path)
    loaded = loading.load(network, inside(state, NETWORK), path, strict=strict)
    given = {name: state[name] for name in beside if name in state and state[name].shape == beside[name].shape}
    if given:
        loading.put(task, given, None)
    fresh = {name: "is missing, or has another shape" for name in beside if name not in given}
    return replace(loaded, fresh={**loaded.fresh, **fresh})


def refuse_others_beside(beside: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """Raise RunnerError where a checkpoint lacks what a task keeps beside its network, or has it of another shape."""
    strange = [name for name in state if not name.startswith(NETWORK) and name not in beside]
    different = [f"{name} is missing" for name in beside if name not in state]
    different += [f"{name} is not in this network" for name in strange]
    different += [
        f"{name} has shape {tuple(state[name].shape)}, this network {tuple(value.shape)}"
        for name, value in beside.items()
        if name in state and state[name].shape != value.shape
    ]
    if different:
        raise RunnerError(
            f"{path}: the checkpoint is of another task: {'; '.join(different[:3])}. Choose the task and data that it "
            f"was trained with (its run directory's config.yaml says which); to train on from its network, "
            f"{loading.WAY_OUT}."
        )


def without_distillation_loss(state: Mapping[str, Any]) -> State:
    """Return weights without those of a distillation loss."""
    return kept(state, lambda name: not name.startswith(DISTILLATION))


def check_same_network(task: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Raise RunnerError where a checkpoint's weights are not this task's, naming the first differences."""
    wanted, given = without_distillation_loss(task.state_dict()), without_distillation_loss(content["state_dict"])
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
