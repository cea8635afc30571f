"""Runs in this process: one that goes through, one that a signal stops, one that dies, and what they leave behind."""

import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.cli import main
from runner.tasks.base import Task

# Six batches in each of three epochs, and no more evaluation than it takes to see a difference.
SMALL = (
    "trainer=cpu",
    "logger=csv",
    "data.batch_size=32",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=2",
    "trainer.limit_train_batches=6",
    "trainer.limit_val_batches=2",
    "trainer.limit_test_batches=2",
)


class Died(BaseException):
    """Stands for a process that is gone: nothing of the runner's catches it."""


@dataclass(frozen=True)
class Run:
    """A run directory."""

    path: Path

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.path / f"{name}.json").read_text())

    @property
    def metrics(self) -> dict[str, float]:
        return self.json("result")["metrics"]

    @property
    def rows(self) -> list[list[str]]:
        with (self.path / "metrics.csv").open(newline="") as file:
            return list(csv.reader(file))

    def checkpoint(self, name: str = "last") -> dict[str, Any]:
        return torch.load(self.path / "checkpoints" / f"{name}.ckpt", weights_only=True)

    def declare_dead(self) -> None:
        """Makes status.json what a killed process leaves: it still says running."""
        status = self.json("status") | {"state": "running", "pid": 2**22 + 1, "ended": None, "error": None}
        (self.path / "status.json").write_text(json.dumps(status))


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """The places where two nested containers of tensors and plain values differ; exact."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [place]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [each for key in one for each in differences(one[key], other[key], f"{place}/{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for index, (a, b) in pairs for each in differences(a, b, f"{place}/{index}")]
    return [] if type(one) is type(other) and one == other else [f"{place}: {str(one)[:60]} != {str(other)[:60]}"]


def assert_same_run(one: Run, other: Run) -> None:
    """Two runs left the same weights, optimizer, schedule, generators, metrics and curves, bit for bit."""
    assert differences(one.metrics, other.metrics) == []
    assert one.rows == other.rows
    for name in ("best", "last"):
        a, b = one.checkpoint(name), other.checkpoint(name)
        assert a.keys() == b.keys()
        kept = [key for key in a if key not in ("callbacks", "loops")]
        assert [each for key in kept for each in differences(a[key], b[key], f"{name}/{key}")] == []
        assert (a["epoch"], a["global_step"]) == (b["epoch"], b["global_step"])


@pytest.fixture
def train(tmp_path, monkeypatch) -> Callable[..., Run]:
    """`train("model=mlp")` is `python -m runner model=mlp` with the small settings; returns its directory."""
    monkeypatch.chdir(tmp_path)
    count = 0

    def call(*overrides: str, status: int = 0, small: bool = True) -> Run:
        nonlocal count
        count += 1
        path = tmp_path / f"run{count}"
        assert main([*(SMALL if small else ()), *overrides, f"hydra.run.dir={path}"]) == status
        return Run(path)

    return call


@pytest.fixture
def at_step(monkeypatch) -> Callable[..., None]:
    """`at_step(k, action)` calls `action` in the middle of the k-th training step (counted from 1) of what follows."""
    original = Task.training_step

    def install(step: int, action: Callable[[], None]) -> None:
        seen = 0

        def training_step(task: Task, *args: Any, **kwargs: Any) -> torch.Tensor:
            nonlocal seen
            seen += 1
            loss = original(task, *args, **kwargs)
            if seen == step:
                action()
            return loss

        monkeypatch.setattr(Task, "training_step", training_step)

    return install


@pytest.fixture
def interrupted(train, at_step, monkeypatch) -> Callable[..., Run]:
    """A run that Ctrl-C (or another signal) stops in training step `step`."""

    def call(*overrides: str, step: int, number: signal.Signals = signal.SIGINT) -> Run:
        with monkeypatch.context():
            at_step(step, lambda: os.kill(os.getpid(), number))
            run = train(*overrides, status=128 + number)
        monkeypatch.undo()
        return run

    return call
