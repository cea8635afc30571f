"""Watch: a symptom is found in a network that was built to show it, and in no other; looking changes nothing."""

import copy
import itertools
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from runner.callbacks.recalibration import RecalibrateBatchNorm
from runner.callbacks.training_state import TrainingState
from runner.callbacks.watch import symptoms
from runner.callbacks.watch.watch import Watch
from runner.data.module import Source
from runner.data.tables.tabular import TabularDataModule
from runner.tasks.base import Task
from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.embedding.metric_learning import MetricLearning
from runner.tasks.regression import Regression
from runner.tasks.training_log import DivergedError
from runner.tracking.notices import recorded
from runner.tracking.run_directory import RunDirectory

SAMPLES, FEATURES = 96, 4


class Points(TabularDataModule):
    """Points whose class is the sign of their first coordinate, or what `targets` says."""

    def __init__(self, targets: Tensor | None = None, **options: Any) -> None:
        super().__init__(standardize=False, **{"batch_size": 16, **options})
        self.given = targets
        self.names = ("low", "high", "never")[: 2 if targets is None else int(targets.max()) + 1]
        self.rows: tuple[Tensor | None, Tensor | None] = (None, None)

    def load(self) -> Source:
        inputs = torch.randn(SAMPLES, FEATURES, generator=torch.Generator().manual_seed(0))
        targets = (inputs[:, 0] > 0).long() if self.given is None else self.given
        names = None if targets.is_floating_point() and targets.ndim > 1 else self.names
        return Source(inputs, targets, *self.rows, names)

    def read(self, paths: list[Path]) -> Tensor:
        raise NotImplementedError


def perceptron(*hidden: int, outputs: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    sizes = [FEATURES, *hidden]
    layers = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Functional(nn.Module):
    """The same with a ReLU that is a function, and dead from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(FEATURES, 8), nn.Linear(8, 2)
        nn.init.constant_(self.body.bias, -1000)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu())


def dead(network: nn.Sequential) -> nn.Sequential:
    nn.init.constant_(network[0].bias, -1000)
    return network


def classifier(network: nn.Module, lr: float = 0.1, classes: int = 2) -> Classification:
    return Classification(network, partial(torch.optim.SGD, lr=lr), num_classes=classes)


@pytest.fixture
def record(tmp_path) -> RunDirectory:
    return RunDirectory(tmp_path)


def fit(record: RunDirectory, task: Task, data: Points, epochs: int = 4, extra=(), **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    settings = {**quiet, "enable_model_summary": False, "num_sanity_val_steps": 0, "accelerator": "cpu"}
    resume = options.pop("ckpt_path", None)
    watch = Watch(record, balanced=options.pop("balanced", False))
    trainer = pl.Trainer(max_epochs=epochs, callbacks=[*extra, watch], default_root_dir=str(record.path), **settings)
    trainer.fit(task, datamodule=data, ckpt_path=resume, weights_only=True)
    return trainer


def kinds(record: RunDirectory) -> list[str]:
    return [each["kind"] for each in recorded(record)]


def test_a_training_that_learns_has_nothing_to_tell(record, capsys):
    fit(record, classifier(perceptron(32)), Points(), epochs=8)
    assert recorded(record) == []
    assert "Notice" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("network", "about"), [(dead(perceptron(8)), "1"), (Functional(), "what head is given")], ids=["module", "function"]
)
def test_a_dead_layer_is_named_once(record, capsys, network, about):
    fit(record, classifier(network), Points())
    found = [each for each in recorded(record) if each["kind"] == "dead_layer"]
    assert [each["about"] for each in found] == [about]
    assert f"{about} is zero for every sample" in found[0]["text"]
    assert capsys.readouterr().out.count("A layer is dead") == 1


def test_one_live_unit_is_enough(record):
    network = dead(perceptron(8))
    network[0].bias.data[0] = 0.0
    fit(record, classifier(network), Points())
    assert "dead_layer" not in kinds(record)


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (lambda network: classifier(network, lr=1e-9), None),
        (lambda network: Regression(network, partial(torch.optim.SGD, lr=1e-9)), torch.randn(SAMPLES, 1)),
    ],
    ids=["classes", "numbers"],
)
def test_constant_answers_are_told_and_nothing_that_follows_from_them(record, task, targets):
    network = nn.Linear(FEATURES, 2 if targets is None else 1)
    nn.init.zeros_(network.weight)
    fit(record, task(network), Points(targets))
    assert kinds(record) == ["constant_predictions"]


def test_a_network_that_knows_one_class_only_is_told_with_its_name(record):
    network = nn.Linear(FEATURES, 2)
    nn.init.constant_(network.bias, 50.0)
    network.bias.data[0] = 0.0
    fit(record, classifier(network, lr=1e-3), Points())
    (notice,) = recorded(record)
    assert notice["kind"] == "constant_predictions"
    assert "predicted as high" in notice["text"]


def test_embeddings_that_collapse_are_told(record):
    network = nn.Linear(FEATURES, 4)
    nn.init.constant_(network.bias, 1000.0)
    fit(record, MetricLearning(network, partial(torch.optim.SGD, lr=1e-3)), Points())
    (notice,) = recorded(record)
    assert notice["kind"] == "collapsed_embeddings"
    assert "apart on average" in notice["text"]


def test_one_class_that_is_all_there_is_says_nothing(record):
    fit(record, classifier(perceptron(8)), Points(torch.cat([torch.zeros(SAMPLES - 1), torch.ones(1)]).long() * 0))
    assert kinds(record) == []


@pytest.mark.parametrize(("lr", "expected"), [(1e-7, ["loss_never_moved"]), (0.1, [])])
def test_a_loss_that_never_moved(record, lr, expected):
    fit(record, classifier(perceptron(16), lr=lr), Points())
    assert kinds(record) == expected


def test_a_rate_that_explodes_is_told_with_a_lower_rate_as_remedy(record):
    fit(record, Regression(nn.Linear(FEATURES, 1), partial(torch.optim.SGD, lr=1.05)), Points(torch.randn(SAMPLES, 1)))
    (notice,) = recorded(record)
    assert notice["kind"] == "exploded"
    assert "lower optimizer.lr (now 1.05)" in notice["text"]


def test_a_training_that_had_to_stop_keeps_why(record):
    task = Regression(nn.Linear(FEATURES, 1), partial(torch.optim.SGD, lr=1e20))
    with pytest.raises(DivergedError):
        fit(record, task, Points(torch.randn(SAMPLES, 1)), epochs=9)
    assert kinds(record) == ["exploded"]


def normed() -> nn.Sequential:
    """A network whose inputs to the norm are far from 0, where its running mean begins."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16, momentum=0.002), nn.ReLU(), nn.Linear(16, 2))
    nn.init.constant_(network[0].bias, 30.0)
    return network


def test_statistics_that_lag_are_told_and_recalibration_mends_them(record, tmp_path):
    trainer = fit(record, classifier(normed()), Points(), epochs=8)
    assert kinds(record) == ["lagging_batch_norm"]
    assert "batch_norm.recalibrate=true" in recorded(record)[0]["text"]
    lagging = float(trainer.callback_metrics["val/loss"])
    other = RunDirectory(tmp_path / "other")
    other.path.mkdir()
    mended = fit(other, classifier(normed()), Points(), epochs=8, extra=[RecalibrateBatchNorm()])
    assert recorded(other) == []
    assert float(mended.callback_metrics["val/loss"]) < lagging / 2
    # The weights that training finds are the same; only statistics differ.
    for name, value in trainer.lightning_module.network.state_dict().items():
        if "running" not in name:
            assert torch.equal(value, mended.lightning_module.network.state_dict()[name]), name


def test_recalibrated_statistics_are_those_of_the_training_data(record):
    data, task = Points(), classifier(normed())
    fit(record, task, data, epochs=1, extra=[RecalibrateBatchNorm()])
    with torch.no_grad():
        reached = task.network[0](data.splits["train"].inputs)
    torch.testing.assert_close(task.network[1].running_mean, reached.mean(0), atol=0.05, rtol=0.01)
    assert int(task.network[1].num_batches_tracked) == len(data.train_dataloader())


@pytest.mark.parametrize("val", [slice(0, 30), slice(0, 0)], ids=["validated", "without validation"])
def test_a_continued_training_recalibrates_and_ends_alike(record, val):
    def part() -> Points:
        data = Points()
        data.rows = (torch.arange(SAMPLES)[val], torch.arange(30, 40))
        return data

    def extra() -> list[pl.Callback]:
        return [RecalibrateBatchNorm(), TrainingState()]

    whole, half, rest = (classifier(normed()) for _ in range(3))
    fit(record, whole, part(), epochs=2, extra=extra())
    stopped = fit(record, half, part(), epochs=1, extra=extra())
    stopped.save_checkpoint(record.path / "half.ckpt")
    fit(record, rest, part(), epochs=2, extra=extra(), ckpt_path=str(record.path / "half.ckpt"))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, rest.network.state_dict()[name]), name


def test_validation_at_chance_while_training_fits(record):
    inputs = Points().load().inputs
    labels = (inputs[:, 0] > 0).long()
    labels[:30] = 1 - labels[:30]
    data = Points(labels)
    data.rows = (torch.arange(30), torch.arange(30, 40))
    fit(record, classifier(perceptron(32), lr=0.5), data, epochs=6)
    assert kinds(record) == ["validation_at_chance"]


@pytest.mark.parametrize(("rare", "balanced", "expected"), [(2, False, True), (2, True, False), (12, False, False)])
def test_unequal_classes_are_told_unless_they_are_balanced(record, rare, balanced, expected):
    targets = torch.zeros(SAMPLES).long()
    targets[:: SAMPLES // rare] = 1
    fit(record, classifier(perceptron(8)), Points(targets), epochs=1, balanced=balanced)
    assert ("unequal_classes" in kinds(record)) is expected


def test_yes_and_no_are_classes_too(record):
    targets = torch.zeros(SAMPLES)
    targets[:2] = 1
    task = BinaryClassification(perceptron(8, outputs=1), partial(torch.optim.SGD, lr=0.1))
    fit(record, task, Points(targets), epochs=1)
    assert "unequal_classes" in kinds(record)


def test_a_class_that_training_never_sees_is_named(record):
    targets = torch.arange(SAMPLES) % 3
    data = Points(targets)
    data.rows = (torch.arange(2, SAMPLES, 3), torch.arange(0, 9, 3))
    fit(record, classifier(perceptron(8, outputs=3), classes=3), data, epochs=1)
    found = [each for each in recorded(record) if each["kind"] == "unseen_class"]
    assert [each["about"] for each in found] == ["val"]
    assert "class never, which the val split has" in found[0]["text"]


def test_what_was_told_is_neither_told_again_nor_lost_when_training_goes_on(record, capsys):
    data, task = Points(), classifier(dead(perceptron(8)))
    before = copy.deepcopy(task)
    trainer = fit(record, task, data, epochs=3)
    trainer.save_checkpoint(record.path / "half.ckpt")
    told = recorded(record)
    capsys.readouterr()
    fit(record, before, Points(), epochs=6, ckpt_path=str(record.path / "half.ckpt"))
    assert recorded(record) == told
    assert "Notice" not in capsys.readouterr().out
    state = torch.load(record.path / "half.ckpt", weights_only=True)["callbacks"]["Watch"]
    assert state["first_loss"] > 0


def test_looking_changes_no_number(record, tmp_path):
    class Noisy(nn.Module):
        """Draws random numbers whatever its mode."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.net(inputs + 0.1 * torch.randn_like(inputs))

    states = []
    for looking in (True, False):
        task = classifier(Noisy())
        pl.seed_everything(1, verbose=False)
        if looking:
            fit(record, task, Points())
        else:
            quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
            trainer = pl.Trainer(
                max_epochs=4, enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path, **quiet
            )
            trainer.fit(task, datamodule=Points())
        states.append({**task.network.state_dict(), "random": torch.rand(1)})
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_rank_that_does_not_write_tells_nothing(tmp_path, capsys):
    silent = RunDirectory(tmp_path, primary=False)
    fit(silent, classifier(dead(perceptron(8))), Points())
    assert recorded(silent) == []
    assert "Notice" not in capsys.readouterr().out


def test_notices_lie_in_the_record_as_plain_values(record):
    fit(record, classifier(dead(perceptron(8))), Points())
    status = json.loads((record.path / "status.json").read_text())
    assert all({*each} == {"kind", "text", "about"} for each in status["warnings"])


def test_a_loss_that_training_alone_has_is_compared_with_nothing():
    """Networks of regions have none when they evaluate."""
    assert symptoms.explosion(math.nan, math.nan, 0.1) is None
    assert symptoms.lagging_statistics(math.nan, math.nan, math.nan, 50) is None
    assert symptoms.explosion(1.0, math.nan, 0.1) is not None
