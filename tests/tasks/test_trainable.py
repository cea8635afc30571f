"""task.trainable: what is chosen trains, everything else stays as it was."""

from functools import partial

import pytest
import torch
from torch import nn

from runner.errors import RunnerError
from runner.tasks.classification import Classification
from runner.tasks.optimization import freeze


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def training(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [
        ("all", {"0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"}),
        ("head", {"3.weight", "3.bias"}),
        ("bias", {"0.bias", "1.bias", "3.weight", "3.bias"}),
        ("norm", {"1.weight", "1.bias", "3.weight", "3.bias"}),
        ("last_2", {"1.weight", "1.bias", "3.weight", "3.bias"}),
        ("1", {"1.weight", "1.bias"}),
        (["0.*", "*.bias"], {"0.weight", "0.bias", "1.bias", "3.bias"}),
    ],
)
def test_only_the_chosen_parameters_train(trainable, expected: set[str]) -> None:
    module = network()
    freeze(module, trainable)
    assert training(module) == expected


def test_head_is_the_module_of_that_name_wherever_it_stands() -> None:
    module = nn.ModuleDict({"head": nn.Linear(2, 2), "trunk": nn.Linear(2, 2)})
    module.head = module["head"]
    freeze(module, "head")
    assert training(module) == {"head.weight", "head.bias"}


def test_a_pattern_without_a_match_names_the_nearest() -> None:
    module = nn.ModuleDict({"features": nn.Linear(2, 2), "classifier": nn.Linear(2, 2)})
    with pytest.raises(RunnerError, match=r"feature\.\* matches no parameter.*features\.weight"):
        freeze(module, ["feature.*"])


def test_frozen_batch_norm_keeps_its_statistics_while_the_head_trains() -> None:
    task = Classification(network(), partial(torch.optim.SGD, lr=0.1), num_classes=3, trainable="head")
    task.train()
    before = task.network[1].running_mean.clone()
    task(torch.randn(4, 1, 4, 4))
    assert torch.equal(task.network[1].running_mean, before)
    assert task.network[3].training and not task.network[1].training


def test_frozen_batch_norm_answers_in_training_as_in_evaluation_though_nobody_called_train() -> None:
    """Lightning calls it neither before a training nor in between; a fold or `stages=[overfit]` meets a fresh task."""
    task = Classification(network(), partial(torch.optim.SGD, lr=0.1), num_classes=3, trainable="head")
    assert task.network[1].training
    task.setup("fit")
    images = torch.randn(4, 1, 4, 4)
    answers = task(images)
    assert torch.equal(task.eval()(images), answers)
