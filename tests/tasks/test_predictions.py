"""Predictions in the user's terms: tensors for programs, rows for files."""

from functools import partial

import pytest
import torch
from torch import nn

from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.regression import Regression

SGD = partial(torch.optim.SGD, lr=0.1)
LOGITS = torch.tensor([[0.0, 0.0, 2.0], [3.0, 0.0, 0.0]])


def test_classes_are_named_and_come_with_their_probability() -> None:
    task = Classification(nn.Identity(), SGD, num_classes=3)
    task.class_names = ("ant", "bee", "cat")
    rows = task.rows(LOGITS, torch.tensor([2, 1]))
    assert [(row["target"], row["prediction"]) for row in rows] == [("cat", "cat"), ("bee", "ant")]
    assert rows[0]["probability"] == pytest.approx(float(LOGITS[0].softmax(0)[2]))
    assert list(task.rows(LOGITS)[0]) == ["prediction", "probability"]


def test_classes_without_names_are_indices() -> None:
    assert Classification(nn.Identity(), SGD, num_classes=3).rows(LOGITS)[0]["prediction"] == 2


def test_predict_step_gives_plain_tensors() -> None:
    task = Classification(nn.Identity(), SGD, num_classes=3)
    found = task.predict_step((LOGITS, torch.tensor([0, 0])))
    assert found["class"].tolist() == [2, 0] and found["class"].dtype == torch.int64
    assert torch.equal(found["probabilities"], LOGITS.softmax(1))
    assert torch.equal(task.predict_step(LOGITS)["probability"], LOGITS.softmax(1).amax(1))


def test_binary_probability_is_of_the_second_class() -> None:
    task = BinaryClassification(nn.Identity(), SGD)
    task.class_names = ("failed", "passed")
    rows = task.rows(torch.tensor([[-1.0], [1.0]]), torch.tensor([0.0, 0.0]))
    assert [(row["target"], row["prediction"]) for row in rows] == [("failed", "failed"), ("failed", "passed")]
    assert rows[0]["probability"] == pytest.approx(float(torch.tensor(-1.0).sigmoid()))


def test_regression_rows_are_in_original_units_and_numbered_where_there_are_several() -> None:
    task = Regression(nn.Identity(), SGD, num_targets=1)
    task.mean.fill_(100.0), task.std.fill_(10.0)
    assert task.rows(torch.tensor([[1.5]]), torch.tensor([[120.0]])) == [{"target": 120.0, "prediction": 115.0}]
    task = Regression(nn.Identity(), SGD, num_targets=2)
    assert task.rows(torch.tensor([[1.0, 2.0]])) == [{"prediction_0": 1.0, "prediction_1": 2.0}]
