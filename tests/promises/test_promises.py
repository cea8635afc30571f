"""Small data sets keep the promises of their headers with their own command, and notice nothing while they do."""

import math
import random

import pytest

from runner.config import catalog
from runner.config.compose import compose
from tests.promises import QUICK, SILENT, Promise, promise
from tests.promises.measure import measure

DATA = catalog.choices([catalog.own_config_directory()])["data"]


@pytest.mark.parametrize("name", QUICK)
def test_its_own_command_reaches_what_the_header_says(name, tmp_path):
    promised = promise(name)
    assert promised is not None
    runs = [measure(promised, seed, tmp_path / str(seed)) for seed in range(1, QUICK[name] + 1)]
    assert promised.shortfall([value for value, _ in runs]) == 0, runs
    assert [kinds for _, kinds in runs] == [[]] * len(runs)


@pytest.mark.parametrize("name", DATA)
def test_a_header_promises_a_number_or_says_why_not(name):
    assert (promise(name) is None) == (name in SILENT)


@pytest.mark.parametrize("seed", [2, 3])
def test_the_default_network_for_tables_tells_clouds_apart(seed, tmp_path):
    """Two thirds of the seeds of a network of 8, 4 and 2 rectified units failed at this."""
    draw = random.Random(5)
    centres = {"ash": (0, 0), "birch": (6, 0), "oak": (0, 6)}
    points = [(draw.gauss(x, 1), draw.gauss(y, 1), kind) for _ in range(60) for kind, (x, y) in centres.items()]
    table = tmp_path / "clouds.csv"
    table.write_text("w,h,kind\n" + "".join(f"{x:.3f},{y:.3f},{kind}\n" for x, y, kind in points))
    overrides = ("data=csv", f"data.root={table}", "data.target=kind", "task=classification")
    accuracy, kinds = measure(Promise(overrides, "test/accuracy", "max", 1.0), seed, tmp_path / "run")
    assert accuracy >= 0.94
    assert kinds == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ((), {"epochs": 100, "lr": 0.01, "layers": 2}),
        (("optimizer.lr=7", "trainer.max_epochs=3"), {"epochs": 3, "lr": 7, "layers": 2}),
        (("optimizer=sgd", "model.num_layers=4"), {"epochs": 100, "lr": 0.01, "layers": 4, "momentum": 0.9}),
        (("optimizer=adamw",), {"epochs": 100, "lr": 0.003, "layers": 2}),
        (("model=gat",), {"epochs": 100, "lr": 0.01, "layers": 2}),
        (("recipe=usual",), {"epochs": 20, "lr": 0.003, "layers": 2}),
        (("mode=smoke",), {"epochs": 1, "lr": 0.01, "layers": 2}),
    ],
)
def test_what_is_typed_wins_over_the_recipe(typed, found):
    config = compose(["data=karate", *typed]).config
    told = {"epochs": config.trainer.max_epochs, "lr": config.optimizer.lr, "layers": config.model.num_layers}
    told |= {"momentum": config.optimizer.momentum} if "momentum" in found else {}
    assert told == found


def test_what_files_of_the_users_say_wins_over_the_recipe(tmp_path):
    for group, name, text in (
        ("trainer", "mine", "defaults: [auto]\nmax_epochs: 7\n"),
        ("optimizer", "mine", "defaults: [adam]\nlr: 0.5\n"),
        ("experiment", "mine", "# @package _global_\ndefaults:\n- override /data: hello\noptimizer: {lr: 0.25}\n"),
    ):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.yaml").write_text(text)
    config = compose(["data=hello", "trainer=mine", "optimizer=mine"], str(tmp_path)).config
    assert (config.trainer.max_epochs, config.optimizer.lr) == (7, 0.5)
    config = compose(["experiment=mine"], str(tmp_path)).config
    assert (config.trainer.max_epochs, config.optimizer.lr) == (15, 0.25)


def test_what_follows_from_other_choices_is_not_listed():
    assert {group for group in compose(["data=line"]).chosen if group.startswith("recipe")} == {"recipe"}


@pytest.mark.parametrize(
    ("mode", "value", "measured", "kept"),
    [
        ("max", 0.95, [0.93], True),
        ("max", 0.95, [0.92], False),
        ("max", 0.95, [0.941] * 5, True),
        ("max", 0.95, [0.939] * 5, False),
        ("min", 59.0, [62.0], True),
        ("min", 59.0, [63.0], False),
        ("min", 0.0, [0.004] * 5, True),
        ("min", 0.0, [0.006] * 5, False),
        ("max", 0.95, [math.nan], False),
    ],
)
def test_a_promise_that_is_not_kept_is_found(mode, value, measured, kept):
    assert (Promise((), "test/accuracy", mode, value).shortfall(measured) == 0) is kept
