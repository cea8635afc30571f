"""Prediction: one row for every test sample, in the user's terms."""

from typing import Any

import torch

from runner import nested
from runner.errors import RunnerError
from runner.files import write_csv
from runner.job.job import Job


def predict(job: Job) -> None:
    """Writes `artifacts/predictions.csv`: index, target and prediction of every test sample.

    Raises:
        RunnerError: the data keeps no samples for testing.
    """
    samples = job.datamodule.splits["test"]
    if not len(samples):
        raise RunnerError("The stage predict needs test data, and data.test_fraction leaves none.")
    job.task.eval()
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for inputs, targets in job.datamodule.batches(samples, job.config.data.batch_size):
            outputs = job.task(nested.to(inputs, job.task.device))
            rows += job.task.rows(nested.to(outputs, "cpu"), targets)
    path = job.record.path / "artifacts" / "predictions.csv"
    if job.record.primary:
        names = [job.datamodule.identify(number) for number in samples.indices.tolist()]
        write_csv(path, [{"index": index, **names[index], **row} for index, row in enumerate(rows)])
        job.keep("predictions", path)
