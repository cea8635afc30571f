"""Results of a run: checkpoints of plain data, the same test metrics again, predictions."""

import copy
import csv
import shutil
from dataclasses import replace

import pytest
import torch

from runner.config.compose import compose
from runner.run.launch import execute
from runner.tasks.base import Task
from tests.support.runs import SMALL, Run, assert_same_run, differences

FULL_TEST = "trainer.limit_test_batches=1.0"
PLAIN = (int, float, str, bool, type(None), torch.Tensor)


@pytest.fixture(scope="module")
def classified(tmp_path_factory, run_once) -> Run:
    ema = "callbacks=[checkpoint,learning_rate,ema,early_stopping]"
    return run_once(tmp_path_factory.mktemp("classified") / "run", "model=mlp", FULL_TEST, ema)


@pytest.fixture(scope="module")
def regressed(tmp_path_factory, run_once) -> Run:
    return run_once(tmp_path_factory.mktemp("regressed") / "run", "data=diabetes", FULL_TEST)


@pytest.fixture(params=["classified", "regressed"])
def original(request) -> tuple[Run, tuple[str, ...]]:
    """A finished run, and what chooses its data and network again."""
    run: Run = request.getfixturevalue(request.param)
    return run, {"classified": ("model=mlp",), "regressed": ("data=diabetes",)}[request.param]


def predictions(run: Run) -> list[dict[str, str]]:
    with (run.path / run.json("result")["artifacts"]["predictions"]["path"]).open(newline="") as file:
        return list(csv.DictReader(file))


def foreign(value: object, place: str) -> list[str]:
    """The places in a nested container that hold something else than tensors and plain Python."""
    if isinstance(value, dict):
        return [each for key, inner in value.items() for each in foreign(inner, f"{place}/{key}")]
    if isinstance(value, (list, tuple)):
        return [each for index, inner in enumerate(value) for each in foreign(inner, f"{place}/{index}")]
    return [] if isinstance(value, PLAIN) else [f"{place}: {type(value)}"]


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_hold_nothing_but_tensors_and_plain_python(name, original):
    run, _ = original
    assert foreign(run.checkpoint(name), name) == []


def test_trained_weights_are_tested_again_with_exactly_the_same_result(original, train):
    run, choices = original
    again = train(*choices, FULL_TEST, "stages=[test]", f"checkpoint={run.path}")
    tested = {name: value for name, value in run.metrics.items() if name.startswith("test/")}
    assert {name: value for name, value in again.metrics.items() if name.startswith("test/")} == tested
    assert {name.partition("/")[0] for name in again.metrics} == {"test", "val", "data"}
    assert len(tested) >= 3
    assert again.json("result")["checkpoint"] == str(run.path / "checkpoints" / "best.ckpt")


def test_weights_moved_to_a_file_of_another_name_are_tested_again(classified, train, tmp_path):
    shutil.copy(classified.path / "checkpoints" / "best.ckpt", tmp_path / "weights of mine.ckpt")
    again = train("model=mlp", FULL_TEST, "stages=[test]", "checkpoint='weights of mine.ckpt'")
    assert again.metrics["test/accuracy"] == classified.metrics["test/accuracy"]


def test_predicted_classes_agree_with_the_test(classified, train):
    run = train("model=mlp", "stages=[predict]", f"checkpoint={classified.path}")
    rows = predictions(run)
    assert list(rows[0]) == ["index", "target", "prediction", "probability"]
    assert [row["index"] for row in rows] == [str(index) for index in range(len(rows))]
    right = sum(row["target"] == row["prediction"] for row in rows)
    assert right / len(rows) == pytest.approx(classified.metrics["test/accuracy"], abs=1e-7)
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)


def test_predicted_numbers_agree_with_the_test(regressed, train):
    run = train("data=diabetes", "stages=[predict]", f"checkpoint={regressed.path}")
    rows = predictions(run)
    errors = [float(row["target"]) - float(row["prediction"]) for row in rows]
    assert sum(each**2 for each in errors) / len(errors) == pytest.approx(regressed.metrics["test/mse"], rel=1e-5)


def test_weights_of_another_network_are_refused(classified, train, capsys):
    train("model=cnn", "stages=[test]", f"checkpoint={classified.path}", status=2)
    assert "is of another network" in capsys.readouterr().err
    train("model=mlp", "stages=[test]", "checkpoint=nowhere", status=2)
    assert "checkpoint=nowhere: there is no such file or run directory" in capsys.readouterr().err


def test_training_can_start_from_weights(classified, train, monkeypatch):
    began = {}
    monkeypatch.setattr(Task, "on_train_start", lambda task: began.update(copy.deepcopy(task.state_dict())))
    run = train("model=mlp", f"checkpoint={classified.path}", "trainer.max_epochs=1")
    assert differences(began, classified.checkpoint("best")["state_dict"]) == []
    assert differences(began, run.checkpoint("best")["state_dict"]) != []
    assert run.json("result")["checkpoint"] == "checkpoints/best.ckpt"


@pytest.mark.parametrize(
    "setting",
    [
        ("trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=0.5"),
        ("trainer.precision=bf16-mixed",),
        ("logger=none", "callbacks=[]"),
        ("logger=none", "callbacks=[checkpoint,learning_rate,ema]", "trainer.check_val_every_n_epoch=2"),
        ("data.validation_fraction=0", "callbacks=[checkpoint,learning_rate]"),
        ("compile=true", "trainer.max_epochs=1", "trainer.limit_train_batches=2"),
    ],
    ids=lambda setting: " ".join(setting),
)
def test_settings_of_the_trainer_run_through(setting, train):
    if "compile=true" in setting and shutil.which("g++") is None:
        pytest.skip("compiling needs a C++ compiler")
    run = train("model=mlp", *setting)
    assert run.json("status")["state"] == "done"
    assert (64 * run.metrics["test/accuracy"]).is_integer()  # two batches of 32


def test_two_runs_of_the_same_second_get_two_directories(tmp_path):
    composed = compose([*SMALL, "model=mlp", "trainer.max_epochs=1"])
    for _ in range(2):
        execute(replace(composed, run_directory=tmp_path / "12-00-00-mlp-digits"))
    runs = [Run(tmp_path / name) for name in ("12-00-00-mlp-digits", "12-00-00-mlp-digits-2")]
    assert [run.json("result")["run_directory"] for run in runs] == [str(run.path) for run in runs]
    assert_same_run(*runs)
