"""The spine: one configuration in, one recorded result out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng

from runner.compression.methods import METHODS
from runner.config import resolvers
from runner.data.fingerprint import fingerprint
from runner.errors import RunnerError
from runner.job.build import allowing
from runner.job.context import Context
from runner.job.networks import Networks, StageResult, what_is_missing
from runner.job.trial import Trial, try_network
from runner.measure.nested import StructureError
from runner.run.prepare import prepare, take_up
from runner.tracking import checkpoints, layout
from runner.tracking.console import show_remarks
from runner.tracking.environment import environment
from runner.tracking.identity import flatten, identity
from runner.tracking.loggers import DONE, TensorBoard, metrics_bytes, push, silenced, told_of_its_end
from runner.tracking.notices import Notice, recorded, run_log, tell
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import Signals, handled

# Stages that put another network into the task, with the checkpoint that keeps it, if any. A resumed run needs the
# network again: from its checkpoint, or made once more.
CHANGING = {method.stage: method.checkpoint for method in METHODS if method.stage}


def run(config: DictConfig, record: RunDirectory, *, resume: bool = False) -> RunResult:
    """Do every stage of `config` and record what came of it in `record`.

    Args:
        config: composed and checked; see `config.compose`.
        record: a claimed run directory.
        resume: go on from the run directory's last checkpoint and skip the stages that are done.

    Raises:
        RunnerError: what the user can mend.
        Interrupted: a signal arrived; the run can be resumed.
    """
    with surroundings(config, record) as signals, signals.not_mistaken():
        surrounding = environment()
        record.write_json(layout.ENVIRONMENT, surrounding)
        done = stages_done(record) if resume else []
        context, networks = prepare(config, record, signals, resume=resume, done=done)
        if record.primary:
            show_remarks(context.datamodule.remarks)
        tell(record, [Notice("data", text, text) for text in context.datamodule.remarks], aloud=False)
        record.write_json(layout.ENVIRONMENT, {**surrounding, "data": fingerprint(context.datamodule.splits)})
        stages, held = stages_of(config), held_stages(config, record)
        preflight(context, networks, stages)
        with told_of_its_end(context.loggers):
            push(context.loggers)
            networks, done = go_through(context, networks, [each for each in stages if each not in held], done)
            if missing := what_is_missing(context, networks, done):
                keep(context, StageResult(missing), done)
            if config.runner.get("hold"):
                record.update_status(held=[stage for stage in dict.fromkeys(stages) if stage in held])
            return finish(context, networks)


def go_through(context: Context, networks: Networks, stages: list[str], done: list[str]) -> tuple[Networks, list[str]]:
    """Do the stages that are not done, and return the networks that they leave and the stages that are done then."""
    left = list(done)
    for stage in stages:
        if known := stage in left:
            left.remove(stage)
            if stage not in CHANGING:
                continue
        result = (resumed(context, networks, stage) if known else None) or do(context, networks, stage, known=known)
        networks = result.networks or networks
        done = done if known else [*done, stage]
        keep(context, result, done)
    return networks, done


def held_stages(config: DictConfig, record: RunDirectory) -> list[str]:
    """Return the stages that are put off, until somebody goes on with the finished run."""
    return [] if record.status.get("released") else list(config.runner.get("hold") or [])


def stages_of(config: DictConfig) -> list[str]:
    """Return the stages of a run; cross-validation goes before a training that has folds."""
    stages = list(config.stages)
    if config.cross_validation.folds and "fit" in stages and "cross_validate" not in stages:
        stages.insert(stages.index("fit"), "cross_validate")
    return stages


def stages_done(record: RunDirectory) -> list[str]:
    """Return the stages that need not be repeated; training must be where no checkpoint kept its weights."""
    done: list[str] = record.status.get("done", [])
    return done if "fit" not in done or checkpoints.trained_checkpoint(record.path) else []


@contextmanager
def surroundings(config: DictConfig, record: RunDirectory) -> Iterator[Signals]:
    """Give every stage what it relies on: signals, the run's log, its directory in interpolations, plugins."""
    resolvers.register()
    with (
        handled() as signals,
        run_log(record),
        resolvers.run_directory(record.path),
        allowing(config.runner.plugins or [], str(record.path)),
    ):
        yield signals
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # Lightning leaves it, and its threads complain at exit


def preflight(context: Context, networks: Networks, stages: list[str]) -> Trial:
    """Find, before anything is trained, what a stage would refuse later on; return what a few samples came to.

    Raises:
        RunnerError: the first refusal.
    """
    if repeated := [stage for stage in CHANGING if stages.count(stage) > 1]:
        raise RunnerError(f"stages: {', '.join(repeated)} can change the network once; name it once.")
    with isolate_rng():  # the run goes on with the numbers that it would draw without this
        tried = try_network(networks.task, context.datamodule)
        for stage in stages:
            check = getattr(import_module(f"runner.stages.{stage}"), "preflight", None)
            if check is not None:
                with structures_told():
                    check(context, networks)
    return tried


def resumed(context: Context, networks: Networks, stage: str) -> StageResult | None:
    """Return what a stage made before an interruption, where it was kept; None where it has to be done."""
    phase = CHANGING.get(stage)
    if not context.resumed or not phase:
        return None
    found = take_up(context, networks, phase)
    return None if found is None else StageResult(networks=found)


def do(context: Context, networks: Networks, stage: str, *, known: bool) -> StageResult:
    """Do one stage, the function of that name in the file of that name; note which it is and how long it takes.

    Args:
        known: it was done before an interruption.
    """
    function = getattr(import_module(f"runner.stages.{stage}"), stage)
    context.record.update_status(stage=stage)
    started, seconds = time.perf_counter(), context.results.seconds
    # What a known stage wrote is there; what of it was not kept is made again.
    quiet = silenced(context.loggers) if known else nullcontext()
    try:
        with structures_told(), quiet:
            result: StageResult = function(context, networks)
        context.signals.check()
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - started
        context.record.update_status(seconds=seconds)
    return result


@contextmanager
def structures_told() -> Iterator[None]:
    """Raise RunnerError for inputs or outputs of a structure that a recipe or a file cannot take."""
    try:
        yield
    except StructureError as error:
        raise RunnerError(str(error)) from error


def keep(context: Context, result: StageResult, done: list[str]) -> None:
    """Add what a stage came to to the results, and write it down."""
    results = context.results
    results.metrics |= result.metrics
    results.artifacts |= result.artifacts
    context.record.update_status(
        done=done,
        metrics_bytes=metrics_bytes(context.loggers),
        metrics=results.metrics,
        seconds=results.seconds,
        artifacts={name: asdict(artifact) for name, artifact in results.artifacts.items()},
    )
    push(context.loggers)


def finish(context: Context, networks: Networks) -> RunResult:
    """Write the result and the HParams row, and return the result."""
    config, record, results = context.config, context.record, context.results
    with resolvers.run_directory(None):  # where a run lies says nothing about what it is
        plain: Any = OmegaConf.to_container(config, resolve=True)
    result = RunResult(
        status="done",
        name=config.name,
        identity=identity(plain),
        run_directory=str(record.path),
        parameters=sum(each.numel() for each in networks.floating.parameters()),
        seconds={**results.seconds, "total": sum(results.seconds.values())},
        metrics=results.metrics,
        artifacts=results.artifacts,
        checkpoint=relative(networks.checkpoint, record.path),
        settings=flatten(plain),
        choices=record.status.get("choices", {}),
        weights=record.status.get("weights", {}),
        warnings=recorded(record),
    )
    for logger in context.loggers:
        if isinstance(logger, TensorBoard):
            logger.log_result(plain, result.metrics)
        logger.finalize("success")
    if record.primary:
        result.save(record.path / layout.RESULT)
    push(context.loggers, DONE)
    return result


def relative(path: Path | None, base: Path) -> str | None:
    """Return a path as the record holds it: relative where it lies inside the run directory."""
    if path is None:
        return None
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path.resolve())
