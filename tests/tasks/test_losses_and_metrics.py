"""Losses and metrics equal their references: torch's functions and scikit-learn's."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn import metrics as reference
from torch import Tensor, nn

from runner.errors import RunnerError
from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.regression import Regression

SGD = partial(torch.optim.SGD, lr=0.1)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def evaluate(task, outputs: Tensor, targets: Tensor, batch: int = 7) -> dict[str, float]:
    """What the task would log for a test split with these outputs, seen in small batches."""
    for part, truth in zip(outputs.split(batch), targets.split(batch), strict=True):
        task.testing.add(task.loss(part, truth), part, truth)
    return task.testing.results()


def classification(**kwargs) -> Classification:
    return Classification(nn.Identity(), SGD, **{"num_classes": 5, **kwargs})


def test_classification_loss_is_cross_entropy() -> None:
    outputs, targets = random(8, 5), torch.arange(8) % 5
    assert torch.equal(classification().loss(outputs, targets), F.cross_entropy(outputs, targets))


@pytest.mark.parametrize(
    ("scores", "losses"),
    [
        ([[0.1, 0.2, 0.9], [1.1, 0.1, 0.2], [0.2, 2.1, 0.1], [1.2, 0.1, 0.3]], [0.6657, 0.5735, 0.2507, 0.5536]),
        ([[0.8, 0.2, 0.3], [0.2, 0.3, 0.5], [0.2, 0.2, 0.5], [0.1, 0.7, 0.4]], [1.2679, 1.2398, 1.2089, 1.4284]),
    ],
)
def test_the_loss_of_each_sample_is_that_of_the_textbook(scores, losses) -> None:
    task, outputs, targets = classification(num_classes=3), torch.tensor(scores), torch.tensor([2, 0, 1, 0])
    each = torch.stack([task.loss(outputs[[row]], targets[[row]]) for row in range(4)])
    torch.testing.assert_close(each, torch.tensor(losses), atol=5e-5, rtol=0)
    torch.testing.assert_close(task.loss(outputs, targets), each.mean())


def test_label_smoothing_holds_in_training_only() -> None:
    task, outputs, targets = classification(label_smoothing=0.2), random(8, 5), torch.arange(8) % 5
    shares = 0.8 * F.one_hot(targets, 5) + 0.2 / 5
    expected = -(shares * outputs.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(task.loss(outputs, targets), expected)
    assert torch.equal(task.eval().loss(outputs, targets), F.cross_entropy(outputs, targets))


def test_soft_targets_are_the_mixture_of_two_losses() -> None:
    outputs, first, second = random(8, 5), torch.arange(8) % 5, (torch.arange(8) + 2) % 5
    soft = 0.7 * F.one_hot(first, 5) + 0.3 * F.one_hot(second, 5)
    expected = 0.7 * F.cross_entropy(outputs, first) + 0.3 * F.cross_entropy(outputs, second)
    torch.testing.assert_close(classification().loss(outputs, soft), expected)


def test_hits_count_the_largest_class_of_soft_targets() -> None:
    outputs = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    soft = torch.tensor([[0.6, 0.4, 0], [0.6, 0.4, 0], [0, 0.1, 0.9]])
    assert classification(num_classes=3).hits(outputs, soft) == 2


def test_classification_metrics_equal_scikit_learn() -> None:
    outputs, targets = random(101, 5), torch.randint(5, (101,), generator=torch.Generator().manual_seed(1))
    found, predicted = evaluate(classification(), outputs, targets), outputs.argmax(1)
    assert found["test/loss"] == pytest.approx(reference.log_loss(targets, outputs.double().softmax(1)), rel=1e-6)
    assert found["test/accuracy"] == pytest.approx(reference.accuracy_score(targets, predicted))
    assert found["test/f1"] == pytest.approx(reference.f1_score(targets, predicted, average="macro"), rel=1e-6)
    assert sorted(found) == ["test/accuracy", "test/f1", "test/loss"]


def test_top5_accuracy_appears_from_twenty_classes_on() -> None:
    outputs, targets = random(200, 20), torch.arange(200) % 20
    expected = reference.top_k_accuracy_score(targets, outputs, k=5)
    found = evaluate(classification(num_classes=20), outputs, targets)
    assert found["test/top5_accuracy"] == pytest.approx(expected)


def test_binary_loss_and_metrics_equal_their_references() -> None:
    task, outputs = BinaryClassification(nn.Identity(), SGD), random(60, 1)
    targets = (random(60, seed=3) > 0).float()
    found, probability = evaluate(task, outputs, targets), outputs.flatten().sigmoid()
    assert found["test/loss"] == pytest.approx(reference.log_loss(targets, probability), rel=1e-5)
    assert found["test/accuracy"] == pytest.approx(reference.accuracy_score(targets, probability > 0.5))
    assert found["test/auroc"] == pytest.approx(reference.roc_auc_score(targets, probability), rel=1e-6)
    assert found["test/f1"] == pytest.approx(reference.f1_score(targets, probability > 0.5), rel=1e-6)


def test_auroc_of_one_class_is_left_out() -> None:
    found = evaluate(BinaryClassification(nn.Identity(), SGD), random(5, 1), torch.ones(5))
    assert sorted(found) == ["test/accuracy", "test/f1", "test/loss"]


def regression(targets: Tensor, **kwargs) -> Regression:
    task = Regression(nn.Identity(), SGD, num_targets=targets.shape[1], **kwargs)
    task.describe(SimpleNamespace(class_names=None, splits={"train": SimpleNamespace(targets=targets)}))
    return task


def test_regression_trains_standardized_and_reports_original_units() -> None:
    training, targets, outputs = 70 * random(50, 1) + 150, 70 * random(40, 1, seed=1) + 150, random(40, 1, seed=2)
    task = regression(training)
    mean, std = training.mean(), training.std(correction=0)
    found, value = evaluate(task, outputs, targets), outputs * std + mean
    assert found["test/loss"] == pytest.approx(float(F.mse_loss(outputs, (targets - mean) / std)), rel=1e-5)
    assert found["test/mse"] == pytest.approx(reference.mean_squared_error(targets, value), rel=1e-5)
    assert found["test/rmse"] == pytest.approx(reference.root_mean_squared_error(targets, value), rel=1e-5)
    assert found["test/mae"] == pytest.approx(reference.mean_absolute_error(targets, value), rel=1e-5)
    assert found["test/r2"] == pytest.approx(reference.r2_score(targets, value), rel=1e-4)
    torch.testing.assert_close(task.predictions(outputs)["value"], value)


def test_several_targets_are_standardized_each_by_itself() -> None:
    training = random(30, 2) * torch.tensor([1.0, 1000.0]) + torch.tensor([5.0, -2000.0])
    task = regression(training)
    outputs = (training - training.mean(0)) / training.std(0, correction=0)
    assert float(task.loss(outputs, training)) < 1e-10
    found = evaluate(task, random(30, 2, seed=4), training)
    value = task.predictions(random(30, 2, seed=4))["value"]
    assert found["test/r2"] == pytest.approx(reference.r2_score(training, value), rel=1e-4)


def test_standardisation_can_be_off() -> None:
    task = regression(torch.tensor([[2.0], [4.0]]), standardize_targets=False)
    assert float(task.loss(torch.tensor([[1.0], [4.0]]), torch.tensor([[2.0], [4.0]]))) == 0.5
    assert float(task.mean) == 0 and float(task.std) == 1


def test_constant_targets_are_only_centred() -> None:
    assert regression(torch.full((4, 1), 3.0)).predictions(torch.ones(1, 1))["value"].item() == 4.0


def test_standardisation_travels_with_the_weights() -> None:
    trained, fresh = regression(70 * random(50, 1) + 150), Regression(nn.Identity(), SGD)
    fresh.load_state_dict(trained.state_dict())
    fresh.describe(SimpleNamespace(class_names=None, splits={}))
    assert torch.equal(fresh.mean, trained.mean) and torch.equal(fresh.std, trained.std)


def test_r2_of_one_sample_is_left_out() -> None:
    found = evaluate(regression(random(9, 1)), torch.ones(1, 1), torch.ones(1, 1))
    assert sorted(found) == ["test/loss", "test/mae", "test/mse", "test/rmse"]


def test_outputs_and_targets_that_do_not_pair_are_refused() -> None:
    with pytest.raises(RunnerError, match=r"gives \(4, 3\) for targets \(4, 1\).*data.num_targets"):
        Regression(nn.Identity(), SGD).loss(torch.ones(4, 3), torch.ones(4, 1))


def test_an_evaluation_begins_anew_after_its_results() -> None:
    task, targets = classification(), torch.arange(10) % 5
    evaluate(task, random(10, 5), targets)
    assert evaluate(task, 9.0 * F.one_hot(targets, 5), targets)["test/accuracy"] == 1.0
    assert task.testing.results() == {}
