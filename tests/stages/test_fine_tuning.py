"""Fine-tuning under rounding in the real trainer: its schedule and ranges, and that a stopped one goes on exactly."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from runner.cli.main import main
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.tasks.base import Task
from tests.support.runs import Run, differences

FIT_STEPS, EPOCH = 6, 6
QAT = (
    "quantization=qat",
    "runner.plugins=[normed]",
    "model._target_=normed.Normed",
    "data.image_size=8",
    "trainer.max_epochs=1",
    "stages=[fit,test,compress,test]",
    "quantization.calibration.batches=1",
    "quantization.fine_tune.lr=0.01",
)
NORMED = """
from torch import nn

class Normed(nn.Sequential):
    def __init__(self, in_channels, image_size, num_outputs, **rest):
        super().__init__(
            nn.Conv2d(in_channels, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * image_size**2, num_outputs),
        )
"""
RECIPES = {
    "plain": (),
    "ema": ("callbacks=[checkpoint,ema]", "callbacks.ema.decay=0.9"),
    "early": (
        "callbacks=[checkpoint,early_stopping]",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=1",  # nothing is that much better: stops after the second epoch
    ),
    "lsq": ("quantization.numerics.activation_observer=lsq", "quantization.fine_tune.observers_after=2"),
    "no_checkpoints": ("callbacks=[learning_rate]",),
}


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """Compiling is no part of what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuantizedNetwork, "can_lower", False)
        yield


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory) -> Iterator[None]:
    """A network with batch norm and dropout, in a package of the user's."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "normed.py").write_text(NORMED)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


@dataclass
class Observed:
    """What changed in which epoch of a fine-tuning: kinds of buffers by epoch, and whether validation moved ranges."""

    moved: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    moved_by_validation: list[str] = field(default_factory=list)
    observers_on_in_validation: list[str] = field(default_factory=list)


def buffers(network: FakeQuantizedNetwork, *endings: str) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.graph.state_dict().items() if name.endswith(endings)}


KINDS = {"ranges": ("min_val", "max_val"), "norms": ("running_mean", "running_var")}


@contextmanager
def watching() -> Iterator[Observed]:
    """Notes, in every fine-tuning within this context, what steps and validations move."""
    observed, train, validate = Observed(), Task.training_step, Task.validation_step

    def training_step(task: Task, batch: Any, index: int) -> torch.Tensor:
        if not isinstance(task.network, FakeQuantizedNetwork):
            return train(task, batch, index)
        before = {kind: buffers(task.network, *names) for kind, names in KINDS.items()}
        loss = train(task, batch, index)
        for kind, names in KINDS.items():
            if differences(before[kind], buffers(task.network, *names)):
                observed.moved[task.current_epoch].add(kind)
        return loss

    def validation_step(task: Task, batch: Any, index: int) -> torch.Tensor:
        if not isinstance(task.network, FakeQuantizedNetwork):
            return validate(task, batch, index)
        before = buffers(task.network, *KINDS["ranges"], *KINDS["norms"])
        enabled = buffers(task.network, "observer_enabled")
        observed.observers_on_in_validation += [name for name, value in enabled.items() if value.any()]
        outputs = validate(task, batch, index)
        after = buffers(task.network, *KINDS["ranges"], *KINDS["norms"])
        observed.moved_by_validation += differences(before, after)
        return outputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "training_step", training_step)
        patch.setattr(Task, "validation_step", validation_step)
        yield observed


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_once):
    """`whole(recipe)` is the run that nothing stops, and what was observed in it; made once."""
    made: dict[str, tuple[Run, Observed]] = {}

    def get(recipe: str) -> tuple[Run, Observed]:
        if recipe not in made:
            with watching() as observed:
                run = run_once(tmp_path_factory.mktemp(recipe) / "whole", *QAT, *RECIPES[recipe])
            made[recipe] = run, observed
        return made[recipe]

    return get


def assert_same_fine_tuning(one: Run, other: Run) -> None:
    """The same metrics, curves, weights, ranges, optimizer and generators, bit for bit."""
    assert differences(one.metrics, other.metrics) == []
    assert one.rows == other.rows
    names = sorted(path.stem for path in (one.path / "checkpoints" / "qat").glob("*.ckpt"))
    for name in names:
        a, b = (each.checkpoint(f"qat/{name}") for each in (one, other))
        kept = [key for key in a if key not in ("callbacks", "loops")]
        found = [each for key in kept for each in differences(a[key], b[key], f"{name}/{key}")]
        assert not found, "\n".join(found)


def test_checkpoints_metrics_and_curves_are_its_own(whole):
    run, _ = whole("plain")
    names = {path.relative_to(run.path / "checkpoints").as_posix() for path in run.path.rglob("*.ckpt")}
    assert names == {"best.ckpt", "last.ckpt", "qat/best.ckpt", "qat/last.ckpt"}
    assert run.checkpoint("qat/last")["global_step"] == 3 * EPOCH
    assert run.metrics["qat/val/accuracy"] == run.checkpoint("qat/best")["metrics"]["val/accuracy"]
    steps = {name: [int(row[0]) for row in run.rows[1:] if row[2] == name] for name in ("val/loss", "qat/val/loss")}
    assert steps == {"val/loss": [5], "qat/val/loss": [11, 17, 23]}


def test_ranges_and_norms_move_until_they_are_frozen_and_in_training_only(whole):
    """Pitfall 2: Lightning alone would freeze batch norm after the first validation; pitfall 7: observers."""
    observed = whole("plain")[1]
    assert dict(observed.moved) == {0: {"ranges", "norms"}, 1: {"norms"}}
    assert observed.moved_by_validation == []


def test_learned_ranges_run_through(whole):
    run, observed = whole("lsq")
    ranges = [name for name in run.checkpoint("qat/last")["state_dict"] if name.endswith(".log_scale")]
    assert len(ranges) >= 6
    assert observed.moved_by_validation == []
    assert run.metrics["compressed/int8_operators"] == 3


def test_averaged_weights_keep_their_switches_and_validation_moves_none_of_their_ranges(whole):
    run, observed = whole("ema")
    assert observed.moved_by_validation == observed.observers_on_in_validation == []
    averaged = run.checkpoint("qat/last")["state_dict"]
    assert all(value.all() for name, value in averaged.items() if name.endswith("fake_quant_enabled"))
    current = run.checkpoint("qat/last")["current_model_state"]
    assert differences(averaged["network.graph.8.weight"], current["network.graph.8.weight"])


def test_early_stopping_stops_it(whole):
    assert whole("early")[0].checkpoint("qat/last")["epoch"] == 1


@pytest.mark.parametrize(
    ("recipe", "step"),
    [
        ("plain", 3),  # in the first epoch
        ("plain", EPOCH + 3),  # ranges are frozen, and the epoch began before the interruption
        ("plain", 2 * EPOCH),  # between epochs
        ("plain", 2 * EPOCH + 2),  # batch norm is frozen
        ("plain", 3 * EPOCH),  # after the last step
        ("ema", EPOCH + 3),
        ("early", EPOCH + 3),
        ("lsq", EPOCH + 3),
        ("no_checkpoints", EPOCH + 3),
    ],
)
def test_interrupted_and_resumed(recipe, step, whole, train, at_step):
    at_step(FIT_STEPS + step, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*QAT, *RECIPES[recipe], status=130)
    assert run.json("status")["done"] == ["fit", "test"]
    assert main(["resume", str(run.path), "runner.plugins=[normed]"]) == 0
    assert_same_fine_tuning(whole(recipe)[0], run)


def test_killed_and_resumed(whole, train_until_death):
    run = train_until_death(FIT_STEPS + EPOCH + 3, *QAT)
    assert main(["resume", str(run.path), "runner.plugins=[normed]"]) == 0
    assert_same_fine_tuning(whole("plain")[0], run)


def test_interrupted_between_fit_and_compress(whole, train, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Task, "test_step", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        run = train(*QAT, status=130)
    assert run.json("status")["done"] == ["fit"]
    assert main(["resume", str(run.path), "runner.plugins=[normed]"]) == 0
    assert_same_fine_tuning(whole("plain")[0], run)


def test_interrupted_after_compress_makes_the_program_again_without_training(whole, train, monkeypatch):
    test = Task.test_step

    def stop_at_the_program(task: Task, *rest: Any) -> torch.Tensor:
        if isinstance(task.network, QuantizedNetwork):
            os.kill(os.getpid(), signal.SIGINT)
        return test(task, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Task, "test_step", stop_at_the_program)
        run = train(*QAT, status=130)
    assert run.json("status")["done"] == ["fit", "test", "compress"]
    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", lambda *_: pytest.fail("trained again"))
        assert main(["resume", str(run.path), "runner.plugins=[normed]"]) == 0
    assert_same_fine_tuning(whole("plain")[0], run)


def test_fine_tuned_from_a_finished_run_as_in_one_go(whole, train):
    first = whole("plain")[0]
    run = train(*QAT, f"checkpoint={first.path}", "stages=[compress,test]")
    names = [name for name in run.metrics if name.startswith(("qat/", "compressed/"))]
    assert {name: run.metrics[name] for name in names} == {name: first.metrics[name] for name in names}
