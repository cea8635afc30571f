"""Prediction: one row for every test sample, in the user's terms."""

from typing import Any

import torch

from runner.errors import RunnerError
from runner.files import write_csv
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.measure import nested


def predict(context: Context, networks: Networks) -> StageResult:
    """Write `artifacts/predictions.csv`: index, target and prediction of every test sample."""
    task, datamodule = networks.task.eval(), context.datamodule
    samples = datamodule.splits["test"]
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for inputs, targets in context.signals.between(datamodule.batches(samples, context.config.data.batch_size)):
            outputs = task(nested.to(inputs, task.device))
            rows += task.rows(nested.to(outputs, "cpu"), targets)
    if not context.record.primary:
        return StageResult()
    path = context.artifacts / "predictions.csv"
    names = [datamodule.identify(number) for number in samples.indices.tolist()]
    write_csv(path, [{"index": index, **names[index], **row} for index, row in enumerate(rows)])
    return StageResult(artifacts={"predictions": context.artifact(path)})


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError where the data keeps no samples for testing."""
    if not len(context.datamodule.splits["test"]):
        raise RunnerError("The stage predict needs test data, and data.test_fraction leaves none.")
