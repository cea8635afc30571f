"""K-fold cross-validation over training and validation data; the test data stays untouched."""

import json
import statistics

import pytorch_lightning as pl

from runner.job.job import Job
from runner.stages.parts.distillation import guided
from runner.tracking.console import console

FILE = "cross_validation.json"


def cross_validate(job: Job) -> None:
    """Trains one fresh network a fold and records mean and standard deviation of its validation metrics.

    Finished folds are kept in `cross_validation.json`; a resumed run repeats only the fold it was in.
    """
    folds = job.config.cross_validation.folds
    done = finished(job)
    for index in range(len(done), folds):
        done.append(run_fold(job, index, folds))
        job.record.write_json(FILE, done)
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in sorted(done[-1].items()))
        if job.record.primary:
            console.print(f"fold {index + 1}/{folds}  {metrics}", soft_wrap=True)
    for name in done[0]:
        values = [fold[name] for fold in done]
        job.metrics[f"cross_validation/{name}/mean"] = statistics.fmean(values)
        job.metrics[f"cross_validation/{name}/std"] = statistics.stdev(values)
    pl.seed_everything(job.config.seed, workers=True, verbose=False)


def finished(job: Job) -> list[dict[str, float]]:
    """The metrics of the folds that an interrupted run had finished."""
    path = job.record.path / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def run_fold(job: Job, index: int, folds: int) -> dict[str, float]:
    """Validation metrics of one fold, after its last epoch."""
    pl.seed_everything(job.config.seed, workers=True, verbose=False)
    job.datamodule.use_fold(index, folds)
    trainer = job.trainer(recording=False)
    task = job.new_task()
    with guided(job, task):
        trainer.fit(task, datamodule=job.datamodule)
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
