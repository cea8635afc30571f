"""Testing: the metrics of the current weights on data that nothing was chosen by."""

from runner.errors import RunnerError
from runner.job import Job


def test(job: Job) -> None:
    """Measures `test/*` with the best weights; after compression, `compressed/*` with the int8 program.

    Raises:
        RunnerError: the data keeps no samples for testing.
    """
    if not len(job.datamodule.splits["test"]):
        raise RunnerError("The stage test needs test data, and data.test_fraction leaves none.")
    compressed = job.quantized is not None
    trainer = job.trainer(recording=not compressed)
    trainer.test(job.task, datamodule=job.datamodule, verbose=False, weights_only=True)
    if not compressed:
        job.collect(trainer.callback_metrics, "test/")
        return
    metrics = {name.replace("test/", "compressed/"): value for name, value in trainer.callback_metrics.items()}
    job.collect(metrics, "compressed/")
    for logger in job.loggers:
        logger.log_metrics({name: float(value) for name, value in metrics.items()})
