"""Metric learning measures classes that training never sees, and needs no data to answer with what was trained."""

import pytest
import torch

from runner.config.compose import compose
from runner.errors import RunnerError
from runner.job.assemble import build_data, build_task
from runner.job.build import build


def test_a_task_answers_without_data():
    config = compose(["data=glyphs"]).config
    task = build_task(config, build(config, "data"))
    row = task.rows(task(torch.rand(1, 1, 28, 28)))[0]
    assert sum(value**2 for value in row.values()) == pytest.approx(1, abs=1e-5)


def test_classes_that_are_trained_and_measured_are_refused():
    config = compose(["data=digits", "task=metric_learning"]).config
    with pytest.raises(RunnerError, match="measures classes that training never sees"):
        build_task(config, build_data(config))


def test_folds_would_train_every_class_and_are_refused():
    config = compose(["data=glyphs"]).config
    with pytest.raises(RunnerError, match=r"divides images.*sweep=seeds"):
        build(config, "data").check_folds(5)
