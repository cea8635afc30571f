"""Unequal classes: weights act in training alone, and each class is measured where accuracy says little."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from runner.errors import RunnerError
from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.sequence import SequenceLabelling

SGD = partial(torch.optim.SGD, lr=0.1)
RARE = torch.tensor([0] * 12 + [1] * 3 + [2] * 5)


def data(targets: Tensor, names: tuple[str, ...] | None = None, sampling: str | None = None) -> SimpleNamespace:
    """What a task asks of its data: a training split with these targets."""
    training = SimpleNamespace(row_targets=targets, indices=torch.arange(len(targets)))
    return SimpleNamespace(class_names=names, splits={"train": training}, row_sampling=sampling)


def classification(targets: Tensor = RARE, names: tuple[str, ...] = ("a", "b", "c"), **kwargs) -> Classification:
    task = Classification(nn.Identity(), SGD, num_classes=len(names), **kwargs)
    task.describe(data(targets, names))
    return task


def binary(targets: Tensor, **kwargs) -> BinaryClassification:
    task = BinaryClassification(nn.Identity(), SGD, **kwargs)
    task.describe(data(targets, ("no", "yes")))
    return task


def logits(count: int, classes: int) -> Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(3))


def test_balanced_weights_are_scikit_learns_of_the_training_split():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=RARE.numpy())
    weights = classification(class_weights="balanced").class_weights
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float32))
    assert classification(torch.tensor([0, 0, 2]), class_weights="balanced").class_weights.tolist() == [0.5, 1, 1]


@pytest.mark.parametrize(
    ("given", "weights"), [([1, 2.5, 0], [1, 2.5, 0]), ({"b": 4}, [1, 4, 1]), ({"c": 0.5, "a": 2}, [2, 1, 0.5])]
)
def test_weights_are_given_in_order_or_by_name(given, weights):
    assert classification(class_weights=given).class_weights.tolist() == weights


def test_names_that_are_numbers_are_found():
    assert classification(names=("3", "7", "9"), class_weights={7: 2}).class_weights.tolist() == [1, 2, 1]


def test_the_training_loss_is_the_weighted_mean_and_evaluation_weighs_nothing():
    task, outputs, targets = classification(class_weights=[1, 2, 3]), logits(20, 3), RARE
    each, weight = F.cross_entropy(outputs, targets, reduction="none"), torch.tensor([1.0, 2, 3])[targets]
    torch.testing.assert_close(task.loss(outputs, targets), (each * weight).sum() / weight.sum())
    assert torch.equal(task.eval().loss(outputs, targets), F.cross_entropy(outputs, targets))


def test_the_binary_loss_weighs_both_classes():
    targets = torch.tensor([0.0] * 9 + [1.0])
    task, outputs = binary(targets, class_weights="balanced"), logits(10, 1)
    assert task.class_weights.tolist() == pytest.approx([10 / 18, 5])
    each = F.binary_cross_entropy_with_logits(outputs.flatten(), targets, reduction="none")
    torch.testing.assert_close(task.loss(outputs, targets), (each[:9].mean() + each[9]) / 2)
    plain = F.binary_cross_entropy_with_logits(outputs.flatten(), targets)
    assert torch.equal(task.eval().loss(outputs, targets), plain)


def test_weights_take_no_place_in_a_checkpoint():
    assert "class_weights" not in classification(class_weights="balanced").state_dict()


def test_each_class_counts_alike_in_what_is_measured():
    task, outputs = classification(), logits(20, 3)
    for part, truth in zip(outputs.split(6), RARE.split(6), strict=True):
        task.validation.add(task.loss(part, truth), part, truth)
    found, predicted = task.validation.results(), outputs.argmax(1)
    assert found["val/balanced_accuracy"] == pytest.approx(balanced_accuracy_score(RARE, predicted))
    recalls = recall_score(RARE, predicted, average=None)
    assert [found[f"val/recall/{name}"] for name in "abc"] == pytest.approx(list(recalls))


def test_a_class_that_does_not_occur_has_no_recall_and_no_part_in_the_mean():
    task, targets = classification(), torch.tensor([0, 0, 2])
    outputs = torch.eye(3)[torch.tensor([0, 1, 2])]
    task.testing.add(task.loss(outputs, targets), outputs, targets)
    found = task.testing.results()
    assert found["test/balanced_accuracy"] == 0.75
    assert "test/recall/b" not in found


def test_binary_classes_are_measured_by_name():
    targets = torch.tensor([0.0] * 9 + [1.0])
    task = binary(targets)
    outputs = torch.tensor([-1.0] * 6 + [1.0] * 4)
    task.testing.add(task.loss(outputs, targets), outputs, targets)
    found = task.testing.results()
    assert (found["test/recall/no"], found["test/recall/yes"]) == (pytest.approx(6 / 9), 1.0)


def test_equal_classes_are_measured_as_before_unless_they_are_balanced():
    equal = torch.arange(30) % 3
    assert classification(equal).validation.names == ["accuracy", "f1"]
    assert "balanced_accuracy" in classification(equal, class_weights=[1, 1, 1]).validation.names
    drawn = Classification(nn.Identity(), SGD, num_classes=3)
    drawn.describe(data(equal, ("a", "b", "c"), sampling="balanced"))
    assert "balanced_accuracy" in drawn.validation.names
    many = tuple(map(str, range(21)))
    listed = classification(torch.cat([torch.arange(21), torch.zeros(9, dtype=torch.int64)]), many).validation.names
    assert "balanced_accuracy" in listed
    assert not any("recall" in name for name in listed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "has 2 numbers, but there are 3 classes"),
        ([1, 2, -1], "must be numbers of at least 0"),
        ([0, 0, 0], "not all 0"),
        ([1, "x", 2], "must be numbers"),
        ([1, float("nan"), 2], "must be numbers"),
        ("equal", "task.class_weights=equal: must be balanced, a list of 3 numbers"),
        ({"bb": 2}, r"there is no class 'bb'\. Did you mean b\? Classes: a, b, c"),
    ],
)
def test_weights_that_suit_no_class_are_refused(given, message):
    with pytest.raises(RunnerError, match=message):
        classification(class_weights=given)


def test_tokens_of_sequences_have_weights_and_recalls_as_well():
    tokens = torch.tensor([[0, 0, 0], [0, 1, -100]])
    task = SequenceLabelling(nn.Linear(1, 1), SGD, num_classes=2, class_weights="balanced")
    task.describe(data(tokens))
    assert task.class_weights.tolist() == [pytest.approx(5 / 8), pytest.approx(5 / 2)]
    outputs = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))
    each = F.cross_entropy(outputs.flatten(0, 1), tokens.flatten(), reduction="none", ignore_index=-100)
    weights = torch.tensor([5 / 8] * 4 + [5 / 2, 0.0])
    assert float(task.loss(outputs, tokens)) == pytest.approx(float((each * weights).sum() / weights.sum() * 5 / 2))
    task.eval()
    assert float(task.loss(outputs, tokens)) == pytest.approx(float(each.sum() / 2))
    assert set(task.validation.names) == {"accuracy", "balanced_accuracy", "recall/0", "recall/1"}
