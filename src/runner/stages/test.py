"""Testing: the metrics of the current weights on data that nothing was chosen by."""

from runner.errors import RunnerError
from runner.job.job import Job


def test(job: Job) -> None:
    """Measures `test/*` with the best weights; `pruned/*`, `factorized/*`, `compressed/*` after those stages.

    Raises:
        RunnerError: the data keeps no samples for testing.
    """
    if not len(job.datamodule.splits["test"]):
        raise RunnerError("The stage test needs test data, and data.test_fraction leaves none.")
    first = job.phase == "test"
    trainer = job.trainer(recording=first)
    trainer.test(job.task, datamodule=job.datamodule, verbose=False, weights_only=True)
    if first:
        job.collect(trainer.callback_metrics, "test/")
        return
    prefix = f"{job.phase}/"
    metrics = {name.replace("test/", prefix): value for name, value in trainer.callback_metrics.items()}
    job.collect(metrics, prefix)
    note_validation(job)
    for logger in job.loggers:
        logger.log_metrics({name: float(value) for name, value in metrics.items()})


def note_validation(job: Job) -> None:
    """The monitored metric on validation data, of the smaller network and of the one it was made of: recipes are
    chosen by these, so that test data chooses nothing."""
    name = job.config.task.monitor
    if job.dense_network is not None and f"baseline/{name}" not in job.metrics:
        job.metrics[f"baseline/{name}"] = job.monitored(job.dense_network)
    job.metrics[f"{job.phase}/{name}"] = job.monitored(job.task.network)
