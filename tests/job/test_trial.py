"""A few samples tell whether network, data and task fit together, and nothing is changed by trying."""

import copy

import pytest
import torch
from torch import nn

from runner.config.compose import compose
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.job.assemble import build_data, build_task
from runner.job.trial import try_network
from runner.tasks.base import Task


def made(*overrides: str) -> tuple[Task, DataModule]:
    config = compose([*overrides]).config
    datamodule = build_data(config, dry_run=True)
    return build_task(config, datamodule), datamodule


@pytest.mark.parametrize(
    "line",
    [
        ("data=digits", "model=cnn", "model.num_outputs=3"),
        ("data=digits", "model=cnn", "model.num_outputs=30"),
        ("data=hours", "model=logistic", "model.out_features=2"),
        ("data=diabetes", "model=linear", "model.out_features=2"),
        ("data=hello", "model=embedding_rnn", "model.num_outputs=2"),
        ("data=karate", "model=gcn", "model.num_outputs=9"),
        ("data=shapes_masks", "data.samples=20", "model.channels=[2,4]", "model.num_outputs=2"),
    ],
    ids=" ".join,
)
def test_a_network_of_another_width_than_its_task_is_refused(line: tuple[str, ...]) -> None:
    with pytest.raises(RunnerError, match=r"answers with \d+ numbers where the task needs \d+"):
        try_network(*made(*line))


def test_the_layer_that_cannot_take_the_data_is_named() -> None:
    with pytest.raises(RunnerError, match=r"model: can't take this data; it fails in features\.0 \(Conv2d\)"):
        try_network(*made("data=digits", "model=cnn", "model.in_channels=3"))


def test_outputs_that_the_loss_cannot_take_are_told_of_the_task() -> None:
    task, datamodule = made("data=digits", "model=mlp")
    task.network = nn.Sequential(task.network, nn.Unflatten(1, (10, 1)))
    with pytest.raises(RunnerError, match=r"task: can't judge what the network answers to this data"):
        try_network(task, datamodule)


def test_trying_changes_nothing_and_gives_the_loss_of_evaluation() -> None:
    task, datamodule = made("data=digits", "model=resnet")
    before, drawn = copy.deepcopy(task.state_dict()), torch.get_rng_state()
    tried = try_network(task, datamodule)
    assert task.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())
    samples = datamodule.splits["train"].spread(2)
    assert tried.loss == task.loss_on((datamodule.transform(samples.inputs), samples.targets))
