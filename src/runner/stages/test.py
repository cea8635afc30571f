"""Testing: the metrics of the current weights on data that nothing was chosen by."""

import pytorch_lightning as pl

from runner.errors import RunnerError
from runner.job.context import Context, selected
from runner.job.networks import Networks, StageResult, on_validation
from runner.job.trainer import make_trainer
from runner.tracking.result import TESTED


def test(context: Context, networks: Networks) -> StageResult:
    """Return `test/*` of the best weights; `pruned/*`, `factorized/*`, `compressed/*` after those stages."""
    first = networks.phase == "test"
    trainer = make_trainer(context, networks.task, recording=first)
    trainer.test(networks.task, datamodule=context.datamodule, verbose=False, weights_only=True)
    counted = {TESTED: samples(context, trainer)}
    if first:
        return StageResult(metrics=selected(trainer.callback_metrics, "test/") | counted)
    prefix = f"{networks.phase}/"
    metrics = {name.replace("test/", prefix): value for name, value in trainer.callback_metrics.items()}
    for logger in context.loggers:
        logger.log_metrics({name: float(value) for name, value in metrics.items()})
    return StageResult(metrics={**selected(metrics, prefix), **counted, **on_validation(context, networks)})


def samples(context: Context, trainer: pl.Trainer) -> float:
    """Return how many samples were tested: all, or as many as `trainer.limit_test_batches` let through."""
    whole = len(context.datamodule.splits["test"])
    batches, limit = len(context.datamodule.test_dataloader()), sum(trainer.num_test_batches)
    return float(whole if limit >= batches else min(whole, limit * context.config.data.batch_size * trainer.world_size))


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError where the data keeps no samples for testing, or a promised metric is never measured."""
    promised, names = context.config.expected.metric, ("loss", *networks.task.testing.names)
    if (
        promised is not None
        and promised.startswith("test/")
        and promised not in (known := [f"test/{n}" for n in names])
    ):
        raise RunnerError(f"expected.metric={promised}: this task does not measure that. It has {', '.join(known)}.")
    if not len(context.datamodule.splits["test"]):
        raise RunnerError("The stage test needs test data, and data.test_fraction leaves none.")
