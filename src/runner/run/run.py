"""The spine: one configuration in, one recorded result out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from runner.config import resolvers
from runner.data.fingerprint import fingerprint
from runner.errors import RunnerError
from runner.job.assemble import build_data, build_loggers, build_task, load_trained, try_trainer
from runner.job.build import plugins
from runner.job.job import Job
from runner.tracking import checkpoints
from runner.tracking.environment import environment
from runner.tracking.identity import flatten, identity
from runner.tracking.loggers import MetricsFile, TensorBoard
from runner.tracking.result import ArtifactFile, RunResult
from runner.tracking.run_directory import RunDirectory
from runner.tracking.run_log import run_log
from runner.tracking.signals import Signals, handled

log = logging.getLogger(__name__)

# The stages that put another network into the task.
CHANGING = ("prune", "factorize", "compress")


def run(config: DictConfig, record: RunDirectory, *, resume: bool = False) -> RunResult:
    """Does every stage of `config` and records what came of it in `record`.

    Args:
        config: composed and checked; see `config.compose`.
        record: a claimed run directory.
        resume: go on from the run directory's last checkpoint and skip the stages that are done.

    Raises:
        RunnerError: what the user can mend.
        Interrupted: a signal arrived; the run can be resumed.
    """
    with surroundings(config, record) as signals, record.running():
        surrounding = environment()
        record.write_json("environment.json", surrounding)
        done = stages_done(record) if resume else []
        job = prepare(config, record, signals, resume=resume, fitted="fit" in done)
        record.write_json("environment.json", {**surrounding, "data": fingerprint(job.datamodule.splits)})
        for stage in config.stages:
            preflight(job, stage)
        for position, stage in enumerate(config.stages):
            # What these made of the network is made or loaded again by a resumed run, from their checkpoints.
            if position >= len(done) or stage in CHANGING:
                do(job, stage)
                done = done if position < len(done) else [*done, stage]
                record.update_status(
                    done=done,
                    metrics=job.metrics,
                    seconds=job.seconds,
                    artifacts={name: asdict(each) for name, each in job.artifacts.items()},
                )
        return finish(job)


def stages_done(record: RunDirectory) -> list[str]:
    """The stages that need not be repeated; training must be where no checkpoint kept its weights."""
    done: list[str] = record.status.get("done", [])
    return done if "fit" not in done or checkpoints.trained_checkpoint(record.path) else []


@contextmanager
def surroundings(config: DictConfig, record: RunDirectory) -> Iterator[Signals]:
    """What every stage relies on: signals, the run's log, its directory in interpolations, plugins."""
    resolvers.register()
    with (
        handled() as signals,
        run_log(record),
        resolvers.run_directory(record.path),
        plugins(list(config.runner.plugins)),
    ):
        yield signals
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # Lightning leaves it, and its threads complain at exit


def prepare(config: DictConfig, record: RunDirectory, signals: Signals, *, resume: bool, fitted: bool) -> Job:
    """Seeds, reads the data, builds the task, and loads weights where there are some to start from."""
    try_trainer(config)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = build_data(config)
    job = Job(config, record, signals, datamodule, build_task(config, datamodule), build_loggers(config))
    job.resumed = resume
    if resume:
        job.metrics |= record.status.get("metrics", {})
        job.seconds |= record.status.get("seconds", {})
        job.artifacts |= {name: ArtifactFile(**each) for name, each in record.status.get("artifacts", {}).items()}
    last = record.path / "checkpoints" / f"{checkpoints.LAST}.ckpt"
    if fitted:
        start_from(job, checkpoints.trained_checkpoint(record.path) or record.path, trained=True)
        job.steps = checkpoints.read_checkpoint(last)["global_step"] if last.is_file() else 0
    elif resume and last.is_file():
        go_on_from(job, last)
    elif config.checkpoint:
        start_from(job, config.checkpoint, trained="fit" not in config.stages)
    if resume and "fit" in config.stages and not fitted and job.resume_from is None:
        continue_loggers(job, 0)
    return job


def start_from(job: Job, place: str | Path, *, trained: bool) -> None:
    """Loads the weights of a checkpoint; of one that is not trained further also what its data was standardized by."""
    path = checkpoints.find_checkpoint(place)
    content = checkpoints.read_checkpoint(path)
    load_trained(job.task, content, path)
    state = content.get(type(job.datamodule).__qualname__)
    if trained and state is not None:
        job.datamodule.load_state_dict(state)
    job.checkpoint = path


def go_on_from(job: Job, last: Path) -> None:
    """Makes training go on from a checkpoint in its middle.

    Raises:
        RunnerError: the checkpoint is damaged, of another network, or holds weights only.
    """
    content = checkpoints.read_checkpoint(last)
    checkpoints.check_same_network(job.task, content, last)
    if "training" not in content:
        raise RunnerError(f"{last}: holds weights only; training starts from them with checkpoint={last}.")
    job.resume_from = last
    continue_loggers(job, content["global_step"])


def continue_loggers(job: Job, step: int) -> None:
    """Makes the loggers forget what the interrupted run wrote after its checkpoint."""
    for logger in job.loggers:
        if isinstance(logger, (MetricsFile, TensorBoard)):
            logger.continue_from(step)


def preflight(job: Job, stage: str) -> None:
    """What a stage would refuse later on is refused now, before anything is trained; many have nothing to refuse."""
    check = getattr(import_module(f"runner.stages.{stage}"), "preflight", None)
    if check is not None:
        check(job)


def do(job: Job, stage: str) -> None:
    """One stage: the function of that name in the file of that name."""
    function = getattr(import_module(f"runner.stages.{stage}"), stage)
    with job.timed(stage):
        function(job)


def finish(job: Job) -> RunResult:
    """Writes the result and the HParams row, and returns the result."""
    with resolvers.run_directory(None):  # where a run lies says nothing about what it is
        plain: Any = OmegaConf.to_container(job.config, resolve=True)
    result = RunResult(
        status="done",
        name=job.config.name,
        identity=identity(plain),
        run_directory=str(job.record.path),
        parameters=sum(each.numel() for each in (job.float_network or job.task.network).parameters()),
        seconds={**job.seconds, "total": sum(job.seconds.values())},
        metrics=job.metrics,
        artifacts=job.artifacts,
        checkpoint=relative(job.checkpoint, job.record.path),
        settings=flatten(plain),
        choices=job.record.status.get("choices", {}),
    )
    for logger in job.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_result(plain, result.metrics)
        logger.finalize("success")
    if job.record.primary:
        result.save(job.record.path / "result.json")
    return result


def relative(path: Path | None, base: Path) -> str | None:
    """A path as the record holds it: relative where it lies inside the run directory."""
    if path is None:
        return None
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path.resolve())
