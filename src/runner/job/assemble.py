"""The objects of a run, built from its configuration: data, task, loggers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers.logger import Logger
from torch import nn

from runner.compression.methods import ADAPTER, is_chosen
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.job.build import build
from runner.job.trial import bounded
from runner.tasks.base import Task
from runner.tasks.optimization import head_of
from runner.tracking import checkpoints, layout
from runner.tracking.loggers import with_rows
from runner.tracking.run_directory import owner
from runner.tracking.weights.loading import LoadedWeights

SPARSE_SUFFIX = ".zip"


def build_trainer(config: DictConfig, **settings: Any) -> pl.Trainer:
    """Return the configured trainer, with these settings rather than the configured ones.

    Raises:
        RunnerError: this machine lacks what the trainer asks for.
    """
    if config.trainer.get("deterministic") is False and not torch.are_deterministic_algorithms_enabled():
        settings["deterministic"] = None  # as it is: to say so again would import torch's compiler
    trainer = build(config, "trainer", **settings)
    assert isinstance(trainer, pl.Trainer)
    return trainer


def try_trainer(config: DictConfig) -> pl.Trainer:
    """Return a trainer that nobody hears or sees: what this machine cannot do is told before any data is read.

    Raises:
        RunnerError: see `build_trainer`.
    """
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return build_trainer(config, logger=False, **quiet)


def build_data(config: DictConfig, *, dry_run: bool = False) -> DataModule:
    """Return the data, read and divided; with `dry_run` no more of it is read than tells whether it could be used.

    Raises:
        RunnerError: the data is neither there nor to be had, or damaged.
    """
    datamodule: DataModule = build(config, "data")
    datamodule.dry_run = dry_run
    datamodule.setup()
    return datamodule


def build_task(config: DictConfig, datamodule: DataModule, *, network: nn.Module | None = None) -> Task:
    """Return the network (a fresh one unless given), its optimizer and scheduler in the task that trains it."""
    if network is None:
        with bounded("model"):
            network = build(config, "model")
        if config.channels_last:
            network = network.to(memory_format=torch.channels_last)
    scheduler = build(config, "scheduler") if (config.scheduler or {}).get("_target_") else None
    task = build(config, "task", network=network, optimizer=build(config, "optimizer"), scheduler=scheduler)
    task.describe(datamodule)
    return task


def fine_tuning_config(config: DictConfig, lr: float, *, schedule: bool) -> DictConfig:
    """Return the run's configuration for a second training, with that training's own learning rate.

    Args:
        schedule: keep the run's schedule, with `lr` as its rate; otherwise the rate stays as it is.
    """
    own = OmegaConf.create(OmegaConf.to_container(config))
    OmegaConf.update(own, "optimizer.lr", lr)
    if not schedule:
        own.scheduler = None
    own.task.trainable = "all"
    if "decay_only" in own.task:  # a captured graph names its weights otherwise
        own.task.decay_only = []
    assert isinstance(own, DictConfig)
    return own


def load_trained(task: Task, content: dict[str, Any], path: Path, *, strict: bool = True) -> LoadedWeights:
    """Load a checkpoint's weights into a task whose network first takes the shape that the checkpoint's had.

    A network that has taken some of the steps to that shape already takes the others only. Adapters of a training that
    was not finished are merged.

    Args:
        strict: refuse what does not fit as a whole; see `tracking.weights.loading.load`.

    Raises:
        RunnerError: the checkpoint is of another network.
    """
    steps = content.get("structure", [])
    trains = {name: each.requires_grad for name, each in task.network.named_parameters()}
    if steps != task.structure:
        from runner.compression.files.rebuild import rebuild

        taken = len(task.structure) if steps[: len(task.structure)] == task.structure else 0
        task.network = rebuild(task.network, steps[taken:])
        task.structure = steps
    loaded = checkpoints.load_weights(task, content, path, strict=strict)
    if is_adapted(task):
        merge_adapters(task)
        for name, parameter in task.network.named_parameters():
            parameter.requires_grad_(trains[name])
    return loaded


def is_finetuned(config: DictConfig) -> bool:
    """Return whether a choice of `finetune=` says what trains; runs of older versions have no such section."""
    return (config.get("finetune") or {}).get("kind", "none") != "none"


def is_staged(config: DictConfig) -> bool:
    """Return whether the parts of the network begin to train one after the other."""
    return bool(is_finetuned(config) and config.finetune.kind == "staged")


def is_adapted(task: Task) -> bool:
    """Return whether there are adapters in a task's network."""
    return any(step.get("change") == ADAPTER for step in task.structure)


def adapt(config: DictConfig, task: Task) -> None:
    """Make a task ready for what `finetune=` trains: adapters where the weights lie, or rates by depth.

    Raises:
        RunnerError: the method cannot take this network.
    """
    if "fit" not in config.stages:
        return
    if is_staged(config):
        from runner.tasks.depth import RatesByDepth, parts_of

        parts = config.finetune.parts
        parts_of(task.network, head_of(task.network), parts)
        task.optimization = replace(task.optimization, depth=RatesByDepth(parts, config.finetune.decay))
    elif is_chosen(config.get("finetune")):
        task.structure = [*task.structure, *build(config, "finetune.recipe")(task.network, head_of(task.network))]


def merge_adapters(task: Task) -> None:
    """Make a task's network the plain one again, with what its adapters learned."""
    from runner.compression.finetuning.adapters import merge

    merge(task.network)
    task.structure = [step for step in task.structure if step["change"] != ADAPTER]


def start_from_adapter(config: DictConfig, task: Task) -> None:
    """Merge the adapter that a run begins with into its base.

    Raises:
        RunnerError: see `adapter_file.load_adapter`.
    """
    if place := (config.get("finetune") or {}).get("adapter"):
        from runner.compression.finetuning.adapter_file import load_adapter

        folder = Path(place) / layout.ADAPTER
        load_adapter(task.network, folder if folder.is_dir() else Path(place))


def read_weights(path: Path) -> dict[str, Any]:
    """Return the content of a file of weights, this runner's or another tool's, or of a sparse file.

    The last is what a run pruned by zeros wrote.

    A sparse file holds values only: the steps to the network's shape and the data's state are those of
    `checkpoints/pruned.ckpt` of its run.

    Raises:
        RunnerError: the file is missing, damaged, or of another network than its run's.
    """
    if path.suffix != SPARSE_SUFFIX:
        return checkpoints.read_any(path)
    from runner.compression.files.sparse import load_sparse

    record = owner(path, "which say what network it is of")
    content = checkpoints.read_checkpoint(record.path / layout.CHECKPOINTS / f"{checkpoints.PRUNED}.ckpt")
    start = "network."
    like = {key.removeprefix(start): each for key, each in content["state_dict"].items() if key.startswith(start)}
    found = load_sparse(path, like)
    content["state_dict"] |= {start + name: tensor for name, tensor in found.items()}
    return content


def is_strict(config: DictConfig) -> bool:
    """Return whether the weights that a run starts from must fit as a whole; runs of older versions always said so."""
    return bool(config.get("checkpoint_strict", True))


def balances(config: DictConfig) -> bool:
    """Return whether unequal classes are weighted or drawn by their size."""
    weights = OmegaConf.select(config, "task.class_weights", default=None)
    return bool(weights) or OmegaConf.select(config, "data.sampling", default=None) == "balanced"


def build_loggers(config: DictConfig) -> list[Logger]:
    """Return the configured loggers; one that mirrors the run brings that of its rows along."""
    return with_rows([build(config, f"logger.{name}") for name in config.logger or {}])


def load_data_state(datamodule: DataModule, state: Any, path: Path) -> None:
    """Give data what a checkpoint kept of it: the names of classes, what inputs were standardized by.

    Raises:
        RunnerError: it is of another form.
    """
    try:
        datamodule.load_state_dict(state)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise RunnerError(
            f"{path}: what it says of the data is damaged, or of another version ({type(error).__name__}: {error}). "
            "Choose the data that it was trained with."
        ) from error


def restore(config: DictConfig, directory: Path, weights: Path | None = None) -> tuple[DataModule, Task]:
    """Return a finished run's data module and task as its best checkpoint (or `weights`) holds them.

    Data is read only where the weights came from another tool, whose files say nothing of it.

    Raises:
        RunnerError: there is no checkpoint, or it is damaged or of another network.
    """
    trained_elsewhere = config.checkpoint and "fit" not in config.stages
    path = weights or checkpoints.find_checkpoint(config.checkpoint if trained_elsewhere else directory)
    content = read_weights(path)
    datamodule: DataModule = build(config, "data")
    if (state := content.get(type(datamodule).__qualname__)) is not None:
        load_data_state(datamodule, state, path)
    else:
        datamodule.setup()
    task = build_task(config, datamodule)
    load_trained(task, content, path, strict=not trained_elsewhere or is_strict(config))
    if trained_elsewhere:
        start_from_adapter(config, task)
    return datamodule, task.eval()
