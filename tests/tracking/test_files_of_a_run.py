"""A run directory holds exactly what its mode and its logger say."""

import csv
import json

import pytest

from runner.tracking.result import RunResult

ALWAYS = {
    "config.yaml",
    "overrides.yaml",
    "environment.json",
    "status.json",
    "result.json",
    "report.md",
    "run.log",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
}
TENSORBOARD = {"tensorboard/events.out", "tensorboard/hparams.yaml"}
CSV = {"metrics.csv", "artifacts/curves.svg"}  # one epoch makes no curve


def files(directory):
    """All files below a directory; TensorBoard's event files by the beginning of their names."""
    paths = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return {path.split(".tfevents")[0] for path in paths} - {".lock"}


@pytest.mark.parametrize(
    ("logger", "expected"),
    [("none", set()), ("csv", CSV), ("tensorboard", TENSORBOARD), ("both", TENSORBOARD | CSV)],
)
def test_a_logger_writes_what_it_says(run, logger, expected):
    directory = run("data=line", "trainer.max_epochs=2", f"logger={logger}")
    assert files(directory) == ALWAYS | expected


def test_smoke_passes_through_every_stage_and_leaves_everything(run):
    directory = run("mode=smoke", "model=cnn", "data=digits", "stages=[fit,test,predict]")
    assert files(directory) == ALWAYS | TENSORBOARD | {"metrics.csv", "artifacts/predictions.csv"}
    result = RunResult.load(directory / "result.json")
    assert result.status == "done"
    assert result.checkpoint == "checkpoints/best.ckpt"
    assert set(result.seconds) == {"fit", "test", "predict", "total"}
    for name in ("train/loss", "val/accuracy", "test/accuracy", "test/loss"):
        assert name in result.metrics
    size = (directory / "artifacts" / "predictions.csv").stat().st_size
    assert (result.artifacts["predictions"].path, result.artifacts["predictions"].bytes) == (
        "artifacts/predictions.csv",
        size,
    )
    assert json.loads((directory / "status.json").read_text())["done"] == ["fit", "test", "predict"]


def test_smoke_is_tiny(run):
    directory = run("mode=smoke", "model=cnn", "data=digits", "logger=csv")
    with (directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert max(int(row["step"]) for row in rows) <= 2
    assert {row["metric"] for row in rows} >= {"train/loss_step", "train/loss", "val/accuracy", "test/accuracy"}


def test_callbacks_may_be_left_out(run):
    directory = run("data=line", "trainer.max_epochs=2", "logger=none", "callbacks=[]")
    assert files(directory) == ALWAYS - {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
