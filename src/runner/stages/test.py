"""Testing: the metrics of the current weights on data that nothing was chosen by."""

from runner.errors import RunnerError
from runner.job.context import Context, selected
from runner.job.networks import Networks, StageResult
from runner.job.trainer import make_trainer


def test(context: Context, networks: Networks) -> StageResult:
    """Return `test/*` of the best weights; `pruned/*`, `factorized/*`, `compressed/*` after those stages.

    Raises:
        RunnerError: the data keeps no samples for testing.
    """
    preflight(context, networks)
    first = networks.phase == "test"
    trainer = make_trainer(context, networks.task, recording=first)
    trainer.test(networks.task, datamodule=context.datamodule, verbose=False, weights_only=True)
    if first:
        return StageResult(metrics=selected(trainer.callback_metrics, "test/"))
    prefix = f"{networks.phase}/"
    metrics = {name.replace("test/", prefix): value for name, value in trainer.callback_metrics.items()}
    for logger in context.loggers:
        logger.log_metrics({name: float(value) for name, value in metrics.items()})
    return StageResult(metrics={**selected(metrics, prefix), **on_validation(context, networks)})


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError where the data keeps no samples for testing."""
    if not len(context.datamodule.splits["test"]):
        raise RunnerError("The stage test needs test data, and data.test_fraction leaves none.")


def on_validation(context: Context, networks: Networks) -> dict[str, float]:
    """Return the monitored metric on validation data, of the smaller network and of the one it was made of.

    Recipes are chosen by these, so that test data chooses nothing.
    """
    name, task = context.config.task.monitor, networks.task
    metrics = {}
    if networks.trained is not None and f"baseline/{name}" not in context.results.metrics:
        metrics[f"baseline/{name}"] = context.monitored(task, networks.trained)
    metrics[f"{networks.phase}/{name}"] = context.monitored(task, task.network)
    return metrics
