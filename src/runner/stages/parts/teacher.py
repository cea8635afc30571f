"""Where a teacher comes from: the run that trained it, one of its checkpoints, or a program that was exported."""

from pathlib import Path

import torch
from torch import nn

from runner.compression.distillation.settings import SWEEP
from runner.config.recorded import recorded_config
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.job.assemble import build_task, load_trained, read_weights, restore
from runner.job.build import allowing
from runner.job.context import Context
from runner.tasks.base import Task
from runner.tracking import checkpoints, layout
from runner.tracking.run_directory import RunDirectory, owner
from runner.tracking.weights import files

SCALES = ("mean", "std")
PROGRAM, ONE_BY_ONE = ".pt2", ".aot.pt2"


def open_teacher(context: Context, task: Task) -> nn.Module:
    """Return the network that `distillation.teacher` names, in evaluation mode.

    Of a run directory it is the float network that the run ended with; the run's own config.yaml says how it is built,
    so that it may be any network. A `.pt2` program, quantized or not, says so itself. Weights that lie in no run
    directory are of the network that this run has itself.

    Raises:
        RunnerError: nothing of that kind is there, or it was trained for other classes or on other scales.
    """
    place = Path(context.config.distillation.teacher)
    if place.name.endswith(PROGRAM) and not place.name.endswith(ONE_BY_ONE):
        from runner.compression.files.program import load_program

        return load_program(place).program
    if str(place) == SWEEP:
        raise RunnerError("distillation.teacher=sweep: this is for the runs of a sweep: -m sweep=distillation.")
    if not place.is_dir() and not (place.is_file() and place.suffix in files.SUFFIXES):
        raise RunnerError(
            f"distillation.teacher={place}: there is no such run directory. A teacher is a run directory, a .ckpt file "
            "in one, weights of this run's own network, or a .pt2 program (export.formats=[program])."
        )
    if not in_run(place) and (place.is_file() or files.in_folder(place)):
        return of_this_network(context, place)
    record = RunDirectory(place) if place.is_dir() else owner(place, "which say what network it is")
    with recorded_config(record) as config:
        if not place.is_dir():
            config.checkpoint = None  # this file is meant, not the one that the run began with
        elif not config.checkpoint and checkpoints.final_checkpoint(place) is None:
            raise RunnerError(f"distillation.teacher={place}: kept no weights; train it with the checkpoint callback.")
        with allowing([*(context.config.runner.plugins or []), *(config.runner.plugins or [])], str(record.path)):
            datamodule, teacher = restore(config, place)
    refuse_another_problem(context, task, datamodule, teacher)
    return teacher.network


def in_run(place: Path) -> bool:
    """Return whether a run directory says what network is meant: the place itself, or one that it lies in."""
    folders = [place] if place.is_dir() else place.resolve().parents
    return any((folder / layout.CONFIG).is_file() and (folder / layout.STATUS).is_file() for folder in folders)


def of_this_network(context: Context, place: Path) -> nn.Module:
    """Return a network like this run's own with the weights of a file, or of a folder of another tool's.

    Raises:
        RunnerError: the weights are of another network.
    """
    path = checkpoints.find_checkpoint(place)
    content = read_weights(path)
    if checkpoints.is_own(content):
        owner(path, "which say what network it is")  # not there, which it says
    teacher = build_task(context.config, context.datamodule)
    try:
        load_trained(teacher, content, path)
    except RunnerError as error:
        raise RunnerError(
            f"distillation.teacher={place}: {error} A file doesn't say what network it is of, so this run's is meant. "
            "For another one make a run of it, model=… checkpoint=FILE stages=[test], and name that run directory."
        ) from None
    return teacher.eval().network


def refuse_another_problem(context: Context, task: Task, datamodule: DataModule, teacher: Task) -> None:
    """Raise RunnerError where a teacher's answers mean something else: other classes, other scales."""
    where = f"distillation.teacher={context.config.distillation.teacher}"
    ours, theirs = task.class_names, datamodule.class_names
    if ours and theirs and ours != theirs:
        raise RunnerError(
            f"{where}: knows other classes ({listed(theirs)}) than this run's data ({listed(ours)}). "
            "Choose a teacher that was trained on the same classes."
        )
    here = {**beside_network(task), **numbers(context.datamodule)}
    there = {**beside_network(teacher), **numbers(datamodule)}
    differ = [name for name, value in here.items() if name in there and not same(value, there[name])]
    if differ:
        raise RunnerError(
            f"{where}: its data was scaled by other numbers ({', '.join(differ)}), so inputs or outputs mean something "
            "else to it. Train it with the same settings of data (split_seed, fractions, mean, std)."
        )


def beside_network(task: Task) -> dict[str, torch.Tensor]:
    """Return what a task holds for its targets: their mean and deviation, where it has them."""
    return {f"targets' {name}": value for name, value in task.named_buffers(recurse=False) if name in SCALES}


def numbers(datamodule: DataModule) -> dict[str, torch.Tensor]:
    """Return the numbers by which data scales its inputs."""
    state = datamodule.state_dict().items()
    return {f"inputs' {name}": torch.as_tensor(value) for name, value in state if name in SCALES}


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two scales are the same but for rounding."""
    return one.shape == other.shape and torch.allclose(one.double().cpu(), other.double().cpu(), rtol=1e-5)


def listed(names: tuple[str, ...]) -> str:
    """Return the first names."""
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
