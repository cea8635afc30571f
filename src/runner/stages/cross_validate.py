"""K-fold cross-validation over training and validation data; the test data stays untouched."""

import statistics

import pytorch_lightning as pl
import torch

from runner.errors import RunnerError
from runner.files.reading import parse_json, read_bytes
from runner.job.assemble import build_task
from runner.job.context import Context, selected
from runner.job.networks import Networks, StageResult
from runner.job.trainer import make_trainer
from runner.stages.parts.distillation import check_teacher, distilled
from runner.stages.parts.training import check_monitors
from runner.tracking import layout
from runner.tracking.console import console
from runner.tracking.result import NUMBERS
from runner.tracking.signals import stop_requested

AGAIN = "Remove it, and the folds are trained again."


def cross_validate(context: Context, networks: Networks) -> StageResult:
    """Train one fresh network a fold; return mean and standard deviation of their validation metrics.

    Finished folds are kept in `cross_validation.json`; a resumed run repeats only the fold it was in. A run that is
    asked to stop, as a search does, trains no further fold; the mean is then over those that are done.
    """
    folds = context.config.cross_validation.folds
    done = finished(context)
    for index in range(len(done), folds):
        done.append(run_fold(context, networks, index, folds))
        context.signals.check()
        context.record.write_json(layout.FOLDS, done)
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in sorted(done[-1].items()))
        if context.record.primary:
            console.print(f"fold {index + 1}/{folds}  {metrics}", soft_wrap=True)
        if index + 1 < folds and asked_to_stop(context):
            break
    pl.seed_everything(context.config.seed, workers=True, verbose=False)
    summary: dict[str, float] = {}
    for name in done[0]:
        values = [fold[name] for fold in done if name in fold]
        summary[f"cross_validation/{name}/mean"] = statistics.fmean(values)
        if len(values) > 1:
            summary[f"cross_validation/{name}/std"] = statistics.stdev(values)
    return StageResult(metrics=summary)


def asked_to_stop(context: Context) -> bool:
    """Return whether somebody who watches wants no further fold, and note why; all processes of a run agree."""
    reason = stop_requested(context.record.path)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        told = [reason]
        torch.distributed.broadcast_object_list(told)
        (reason,) = told
    if reason is not None:
        context.record.update_status(stopped=reason)
    return reason is not None


def preflight(context: Context, networks: Networks) -> None:
    """Refuse, before any training, more folds than the data can be divided into, and what fit would refuse."""
    check_monitors(context, networks.task)
    check_teacher(context, networks)
    context.datamodule.check_folds(context.config.cross_validation.folds)


def finished(context: Context) -> list[dict[str, float]]:
    """Return the metrics of the folds that an interrupted run had finished."""
    path = context.record.path / layout.FOLDS
    if not path.is_file():
        return []
    try:
        found = parse_json(read_bytes(path))
    except ValueError as error:
        raise RunnerError(f"{path}: damaged ({error}). {AGAIN}") from None
    if not isinstance(found, list) or not all(
        isinstance(each, dict) and each and NUMBERS.holds(each) for each in found
    ):
        raise RunnerError(f"{path}: damaged (it is no list of metrics by their names). {AGAIN}")
    return [{name: float("nan") if each is None else each for name, each in fold.items()} for fold in found]


def run_fold(context: Context, networks: Networks, index: int, folds: int) -> dict[str, float]:
    """Return the validation metrics of one fold, after its last epoch."""
    pl.seed_everything(context.config.seed, workers=True, verbose=False)
    context.datamodule.use_fold(index, folds)
    task = build_task(context.config, context.datamodule)
    trainer = make_trainer(context, task, recording=False)
    with distilled(context, networks, task):
        trainer.fit(task, datamodule=context.datamodule)
    return selected(trainer.callback_metrics, "val/")
