"""Runs in this process: one that goes through, one that a signal stops, one that dies, and what they leave behind."""

import csv
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.cli.main import main
from runner.tasks.base import Task

# Six batches in each of three epochs, and no more evaluation than it takes to see a difference.
SMALL = (
    "data=digits",
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
        self.age_curves()

    def age_curves(self) -> None:
        """TensorBoard reads files by the second in their names; a test resumes sooner than a user can."""
        for file in (self.path / "tensorboard").glob("events.*"):
            head, second, tail = re.split(r"(?<=tfevents\.)(\d+)", file.name)
            file.rename(file.with_name(f"{head}{int(second) - 60}{tail}"))


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


# Costs that a clock or the operating system tells.
COSTS = {"finetune/peak_memory_bytes", "finetune/step_seconds", "finetune/latency_ms"}


def assert_same_run(one: Run, other: Run) -> None:
    """Two runs left the same weights, optimizer, schedule, generators, metrics and curves, bit for bit."""
    ours, theirs = ({name: each for name, each in run.metrics.items() if name not in COSTS} for run in (one, other))
    assert differences(ours, theirs) == []
    assert one.rows == other.rows
    names = sorted(path.stem for path in (one.path / "checkpoints").glob("*"))
    assert names == sorted(path.stem for path in (other.path / "checkpoints").glob("*"))
    for name in names:
        a, b = one.checkpoint(name), other.checkpoint(name)
        assert a.keys() == b.keys()
        kept = [key for key in a if key not in ("callbacks", "loops")]
        assert [each for key in kept for each in differences(a[key], b[key], f"{name}/{key}")] == []
        assert (a["epoch"], a["global_step"]) == (b["epoch"], b["global_step"])


@pytest.fixture(scope="session")
def run_once() -> Callable[..., Run]:
    """`run_once(path, "model=mlp")` is `python -m runner model=mlp` with the small settings, into `path`."""

    def call(path: Path, *overrides: str, status: int = 0) -> Run:
        assert main([*SMALL, *overrides, f"hydra.run.dir={path}"]) == status
        return Run(path)

    return call


@pytest.fixture
def train(tmp_path, monkeypatch, run_once) -> Callable[..., Run]:
    """`train("model=mlp")` is `run_once` into a new directory of this test; relative paths lie in this test's."""
    monkeypatch.chdir(tmp_path)
    numbers = itertools.count(1)
    return lambda *overrides, status=0: run_once(tmp_path / f"run{next(numbers)}", *overrides, status=status)


@pytest.fixture
def at_step(monkeypatch) -> Callable[..., None]:
    """`at_step(k, action)`: the k-th training step from now (counted from 1) calls `action` in its middle."""
    original = Task.training_step

    def install(step: int, action: Callable[[], None]) -> None:
        steps = itertools.count(1)
        last = [-1, -1]

        def training_step(task: Task, batch: Any, index: int) -> torch.Tensor:
            # LBFGS evaluates a batch several times.
            now = [task.current_epoch, index]
            if now != last:
                last[:] = now
                if next(steps) == step:
                    action()
            return original(task, batch, index)

        monkeypatch.setattr(Task, "training_step", training_step)

    return install


@pytest.fixture
def train_until_death(train, at_step, tmp_path) -> Callable[..., Run]:
    """A run whose process is killed in training step `step`: nothing more is saved, status.json says running."""

    def die() -> None:
        raise Died

    def call(step: int, *overrides: str) -> Run:
        at_step(step, die)
        with pytest.raises(Died):
            train(*overrides)
        run = Run(max(tmp_path.glob("run*"), key=lambda path: path.stat().st_mtime_ns))
        run.declare_dead()
        return run

    return call


@pytest.fixture
def curves() -> Callable[[Run], dict[str, list[tuple[int, float]]]]:
    """The scalar curves of a run as TensorBoard shows them: (step, value) by name, in the order of their steps.

    TensorBoard reads files in the order of their names, which end in a number that a process counts up: those of one
    second change places between 9 and 10.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(run: Run) -> dict[str, list[tuple[int, float]]]:
        events = EventAccumulator(str(run.path / "tensorboard"), {"scalars": 0}).Reload()
        shown = {tag: sorted(events.Scalars(tag), key=lambda each: each.step) for tag in events.Tags()["scalars"]}
        return {tag: [(each.step, each.value) for each in points] for tag, points in shown.items()}

    return read


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., Path]:
    """`run("model=mlp")` is `python -m runner model=mlp` on the CPU; returns the run directory."""
    monkeypatch.chdir(tmp_path)
    numbers = itertools.count(1)

    def call(*overrides: str) -> Path:
        name = f"run{next(numbers)}"
        assert main([*overrides, "trainer=cpu", f"hydra.run.dir={name}"]) == 0
        return tmp_path / name

    return call
