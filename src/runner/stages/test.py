"""Testing: the metrics of the current weights on data that nothing was chosen by."""

from runner.errors import RunnerError
from runner.job import Job


def test(job: Job) -> None:
    """Measures `test/*` with the best weights.

    Raises:
        RunnerError: the data keeps no samples for testing.
    """
    if not len(job.datamodule.splits["test"]):
        raise RunnerError("The stage test needs test data, and data.test_fraction leaves none.")
    trainer = job.trainer()
    trainer.test(job.task, datamodule=job.datamodule, verbose=False, weights_only=True)
    job.collect(trainer.callback_metrics, "test/")
