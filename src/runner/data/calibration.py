"""Calibration samples: a seeded, stratified part of the training data, as the network takes it."""

from collections.abc import Iterator

import torch

from runner.data.module import DataModule, Samples
from runner.data.split import set_aside, strata
from runner.errors import RunnerError
from runner.measure.nested import Nested


def calibration_batches(datamodule: DataModule, batches: int, batch_size: int, seed: int) -> Iterator[Nested]:
    """Yield transformed, unaugmented inputs (batch_size, …) of training samples; classes in their proportions.

    Raises:
        RunnerError: fewer than one batch is asked for, or there is no training data.
    """
    samples = datamodule.splits["train"]
    if datamodule.at_most(2) == 1 and batches > 0:
        yield datamodule.example(1)
        return
    if batches < 1 or batch_size < 1 or not len(samples):
        raise RunnerError(
            "There is no calibration data: quantization.calibration.batches and .batch_size must be at least 1, "
            "and the training split must not be empty."
        )
    count = min(batches * batch_size, len(samples))
    labels = strata(samples.row_targets, samples.indices, datamodule.class_names)
    chosen = samples.indices
    if count < len(samples):
        _, chosen = set_aside(samples.indices, count, seed=seed, labels=labels)
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))
    for inputs, _ in datamodule.batches(Samples(samples.rows, samples.row_targets, chosen[order]), batch_size):
        yield inputs
