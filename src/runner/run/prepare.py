"""Prepare a run: read the data, build the task, load the weights to start from, and restore what was done before."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from runner.errors import RunnerError
from runner.job.assemble import (
    adapt,
    build_data,
    build_loggers,
    build_task,
    is_strict,
    load_data_state,
    load_trained,
    read_weights,
    start_from_adapter,
    try_trainer,
)
from runner.job.context import Context, Results
from runner.job.networks import Networks
from runner.tracking import checkpoints
from runner.tracking.console import console
from runner.tracking.loggers import MetricsFile, continue_from
from runner.tracking.result import ArtifactFile
from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import Signals
from runner.tracking.weights.loading import LoadedWeights


def prepare(
    config: DictConfig,
    record: RunDirectory,
    signals: Signals,
    *,
    resume: bool = False,
    done: Sequence[str] = (),
    dry_run: bool = False,
) -> tuple[Context, Networks]:
    """Seed, read the data, build the task, and load weights where there are some to start from.

    Args:
        resume: go on with what the run directory holds.
        done: with `resume`, the stages that were finished.
        dry_run: see `Context`.

    Raises:
        RunnerError: the machine, the data, the settings or a checkpoint do not suit.
    """
    try_trainer(config)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = build_data(config, dry_run=dry_run)
    networks, fitted = Networks(build_task(config, datamodule)), "fit" in done
    if config.cross_validation.folds and (fitted or not {"fit", "cross_validate"} & {*config.stages}):
        datamodule.use_all_for_training()  # as the weights were: nothing is left that could be validated on
    results = recorded(record) if resume else Results()
    context = Context(config, record, signals, datamodule, build_loggers(config), resume, dry_run, results)
    last = context.checkpoints / f"{checkpoints.LAST}.ckpt"
    if resume:
        resume_metrics(context, done)
    if fitted:
        place = checkpoints.trained_checkpoint(record.path) or record.path
        steps = checkpoints.read_checkpoint(last).get("global_step", 0) if last.is_file() else 0
        return context, replace(start_from(context, networks, place, trained=True, trained_here=True), steps=steps)
    if resume and last.is_file():
        adapt(config, networks.task)
        return context, go_on_from(context, networks, last)
    if config.checkpoint:
        networks = start_from(context, networks, config.checkpoint, trained="fit" not in config.stages)
    start_from_adapter(config, networks.task)
    adapt(config, networks.task)
    if resume and {"fit", "overfit"} & set(config.stages):
        continue_from(context.loggers, 0, {})
    return context, networks


def recorded(record: RunDirectory) -> Results:
    """Return what the finished stages of an interrupted run came to."""
    status = record.status
    artifacts = {name: ArtifactFile(**each) for name, each in status.get("artifacts", {}).items()}
    metrics = {name: float("nan") if each is None else each for name, each in status.get("metrics", {}).items()}
    return Results(metrics, dict(status.get("seconds", {})), artifacts)


def start_from(
    context: Context, networks: Networks, place: str | Path, *, trained: bool, trained_here: bool = False
) -> Networks:
    """Load the weights of a checkpoint; of one that is not trained further also what its data was standardized by.

    Args:
        trained: whether they are not trained further.
        trained_here: whether this very run trained them, before an interruption.
    """
    path = checkpoints.find_checkpoint(place)
    content = read_weights(path)
    loaded = load_trained(networks.task, content, path, strict=trained_here or is_strict(context.config))
    if not trained_here:
        note(context, loaded, trained=trained)
    state = content.get(type(context.datamodule).__qualname__)
    if trained and state is not None:
        load_data_state(context.datamodule, state, path)
    return replace(networks, checkpoint=path)


def note(context: Context, loaded: LoadedWeights, *, trained: bool) -> None:
    """Say and record how weights of a file became the network's, where that needs a word.

    Raises:
        RunnerError: a part of the network is fresh, and nothing would train it.
    """
    if loaded.partial and trained and not {"overfit", "cross_validate"} & set(context.config.stages):
        names = ", ".join(list(loaded.fresh)[:3])
        raise RunnerError(
            f"checkpoint={loaded.file}: gives no weights for {names} ({len(loaded.fresh)} of {loaded.total} tensors), "
            "and no stage of this run trains them. Add fit to the stages."
        )
    context.record.update_status(weights=loaded.recorded())
    for line in loaded.lines():
        console.print(f"weights  {line}", markup=False, soft_wrap=True)


def go_on_from(context: Context, networks: Networks, last: Path) -> Networks:
    """Make training go on from a checkpoint in its middle.

    Raises:
        RunnerError: the checkpoint and the best one are damaged, of another network, or hold weights only.
    """
    content, last = whole_checkpoint(last)
    checkpoints.check_same_network(networks.task, content, last)
    if "training" not in content:
        raise RunnerError(f"{last}: holds weights only; training starts from them with checkpoint={last}.")
    continue_from(context.loggers, content.get("global_step", 0), content.get("curves", {}))
    return replace(networks, resume_from=last)


def whole_checkpoint(last: Path) -> tuple[dict[str, Any], Path]:
    """Return the content and the place of a run's last checkpoint, or of its best where the last one is damaged.

    Raises:
        RunnerError: the last one is damaged, and there is no best one from which training could go on.
    """
    try:
        return checkpoints.read_checkpoint(last), last
    except checkpoints.DamagedCheckpointError as error:
        best = last.with_name(f"{checkpoints.BEST}.ckpt")
        if not best.is_file():
            raise
        content = checkpoints.read_checkpoint(best)
        if "training" not in content:
            raise
        epoch = content.get("epoch", -1) + 1
        console.print(f"{error} Goes on after epoch {epoch}, from {best.name}.", markup=False, soft_wrap=True)
        return content, best


def resume_metrics(context: Context, done: Sequence[str]) -> None:
    """Make metrics.csv as long as it was after the last stage that is done."""
    status = context.record.status
    known = status.get("metrics_bytes")
    if known is not None and list(done) != status.get("done", []):
        known = 0  # nothing of it is left
    for logger in context.loggers:
        if isinstance(logger, MetricsFile):
            logger.resume(known)


def take_up(context: Context, networks: Networks, phase: str) -> Networks | None:
    """Return the networks with what an interrupted run made of them, where it kept that; None where it did not.

    Args:
        phase: `pruned` or `factorized`: the name of the checkpoint.
    """
    path = context.checkpoints / f"{phase}.ckpt"
    if not path.is_file():
        return None
    content, networks = checkpoints.read_checkpoint(path), networks.with_baseline()
    load_trained(networks.task, content, path)
    networks = networks.made_smaller(networks.task.network, networks.task.structure, phase)
    return replace(networks, steps=content.get("global_step", 0), checkpoint=path)
