"""checkpoint= with files of other tools: check says what the run says, and what is left out is told and recorded."""

import json
from pathlib import Path

import pytest
import torch

from runner.cli.main import main
from runner.models.cnn import CNN

DIGITS = ("model=cnn", "data=digits", "logger=none", "trainer.max_epochs=1", "trainer.limit_train_batches=2")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """`weights(outputs)` is a file as a script with DDP leaves it: a network like the run's with so many classes."""
    monkeypatch.chdir(tmp_path)

    def write(outputs: int, image_size: int = 28) -> str:
        state = CNN(in_channels=1, image_size=image_size, num_outputs=outputs).state_dict()
        torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "w.pth")
        return "checkpoint=w.pth"

    return write


def both(capsys, *overrides: str) -> list[tuple[int, str]]:
    """Status and error of `check` and of the run."""
    found = []
    for command in (["check"], ["hydra.run.dir=run"]):
        found.append((main([*command, *overrides]), capsys.readouterr().err))
    return found


@pytest.mark.parametrize(
    ("outputs", "more", "words"),
    [
        (7, ["stages=[test]"], "head.weight has shape (7, 320), this network (10, 320)"),
        (7, ["stages=[test]", "checkpoint_strict=false"], "no stage of this run trains them. Add fit to the stages."),
        (10, ["stages=[test]", "model.channels=[4,8]"], "features.0.weight has shape (10, 1, 5, 5), this network (4"),
        (10, ["stages=[test]", "model=mlp"], "is of another network"),
    ],
)
def test_check_refuses_what_the_run_refuses_with_the_same_words(outputs, more, words, weights, capsys):
    (checked, why), (ran, told) = both(capsys, *DIGITS, weights(outputs), *more)
    assert (checked, ran) == (2, 2)
    assert words in why
    assert why == told


def test_check_and_the_run_take_a_file_that_fits(weights, capsys):
    assert main(["check", *DIGITS, weights(10), "stages=[test]"]) == 0
    out = capsys.readouterr().out
    assert "weights    w.pth" in out
    assert "taken from model.module.*" in out


def test_a_head_of_another_size_starts_fresh_when_asked_and_is_recorded(weights, capsys):
    file = weights(7)
    assert main([*DIGITS, file, "checkpoint_strict=false", "stages=[fit]", "hydra.run.dir=run"]) == 0
    out = capsys.readouterr().out
    assert "weights  4 of 6 tensors loaded; left out, they start fresh:" in out
    assert "  head.weight: has shape (7, 320), this network (10, 320)" in out
    recorded = json.loads(Path("run/result.json").read_text())["weights"]
    assert recorded["prefix"] == "model.module."
    assert list(recorded["fresh"]) == ["head.weight", "head.bias"]
