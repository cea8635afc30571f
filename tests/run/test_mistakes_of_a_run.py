"""Failures of a run: divergence, a user's own network that breaks, devices that are not there, bad resumes."""

import json
import os
import shutil
import socket

import pytest
import torch

from runner.cli.main import main
from runner.data.images.digits import Digits
from runner.tracking.run_directory import RunDirectory
from tests.support.runs import SMALL, Run

DIVERGING = ("model=mlp", "optimizer=sgd", "optimizer.lr=1e30", "scheduler=none")

BROKEN_NETWORK = """
import torch


class Broken(torch.nn.Linear):
    def __init__(self):
        super().__init__(784, 10)

    def forward(self, inputs):
        if self.training:
            raise ZeroDivisionError("a mistake of mine")
        return super().forward(inputs.flatten(1))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_once) -> Run:
    return run_once(tmp_path_factory.mktemp("finished") / "run", "model=mlp")


def test_a_loss_that_diverges_stops_the_run_and_leaves_a_checkpoint(train, capsys):
    run = train(*DIVERGING, status=2)
    message = capsys.readouterr().err
    assert "error: The loss became" in message
    assert "at step 2 (last finite loss 2." in message
    assert "at step 1). Lower optimizer.lr (now 1e+30)" in message
    assert "Traceback" not in message
    status = run.json("status")
    assert status["state"] == "failed"
    assert status["error"].startswith("The loss became")
    assert run.checkpoint("diverged")["global_step"] == 1
    assert not (run.path / "result.json").exists()


def test_debug_mode_shows_where_it_diverged(train, capsys):
    train(*DIVERGING, "mode=debug", status=2)
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_in_a_users_network_shows_its_traceback_and_keeps_it(tmp_path, train):
    (tmp_path / "broken_net.py").write_text(BROKEN_NETWORK)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "broken.yaml").write_text("_target_: broken_net.Broken\n")
    with pytest.raises(ZeroDivisionError, match="a mistake of mine"):
        train("model=broken", "runner.plugins=[broken_net]")
    run = Run(tmp_path / "run1")
    status = run.json("status")
    assert (status["state"], status["error"]) == ("failed", "ZeroDivisionError: a mistake of mine")
    log = (run.path / "run.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert 'broken_net.py", line 11, in forward' in log


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("trainer", ["gpu", "fsdp"])
def test_a_device_that_is_not_there_is_told_before_data_is_read(trainer, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Digits, "load", lambda _: pytest.fail("the data was read"))
    overrides = [each for each in SMALL if each != "trainer=cpu"]
    assert main([*overrides, f"trainer={trainer}", "model=mlp", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert "gpu backend" in capsys.readouterr().err


def test_what_lightning_finds_wrong_at_an_epochs_end_is_a_sentence(train, capsys):
    run = train("model=mlp", "task.monitor=abc", status=2)
    assert "error: Lightning can't train by these settings: `ModelCheckpoint(monitor='abc')`" in capsys.readouterr().err
    assert run.json("status")["state"] == "failed"


def test_a_directory_with_a_run_is_not_overwritten(finished, capsys):
    assert main([*SMALL, "model=mlp", f"hydra.run.dir={finished.path}"]) == 2
    assert "holds a run already" in capsys.readouterr().err


class TestResume:
    """What cannot be resumed is told, and nothing is changed."""

    @pytest.fixture
    def stopped(self, finished, tmp_path) -> Run:
        """A killed run: all of the finished one but what came after its last epoch."""
        run = Run(shutil.copytree(finished.path, tmp_path / "stopped"))
        run.declare_dead()
        (run.path / "result.json").unlink()
        status = run.json("status")
        del status["done"]
        (run.path / "status.json").write_text(json.dumps(status))
        return run

    def refused(self, place: object, capsys) -> str:
        assert main(["resume", str(place)]) == 2
        return capsys.readouterr().err

    def test_a_finished_run(self, finished, capsys):
        before = (finished.path / "status.json").read_text()
        message = self.refused(finished.path, capsys)
        assert f"{finished.path}: this run is finished. Start from its weights with checkpoint=" in message
        assert (finished.path / "status.json").read_text() == before

    def test_a_run_that_goes_on(self, stopped, capsys):
        before = {path.name: path.read_bytes() for path in stopped.path.glob("*.*")}
        with RunDirectory(stopped.path).held():
            message = self.refused(stopped.path, capsys)
        assert message == (
            f"error: {stopped.path}: this run is still going on (process {os.getpid()} on {socket.gethostname()}).\n"
        )
        assert {path.name: path.read_bytes() for path in stopped.path.glob("*.*")} == before | {
            ".lock": (stopped.path / ".lock").read_bytes()
        }

    def test_the_number_of_another_process_is_no_hindrance(self, stopped, capsys):
        """In containers every run has the number 1."""
        status = stopped.json("status") | {"pid": os.getppid(), "host": socket.gethostname()}
        (stopped.path / "status.json").write_text(json.dumps(status))
        (stopped.path / "checkpoints" / "last.ckpt").write_bytes(b"")
        (stopped.path / "checkpoints" / "best.ckpt").unlink()
        assert "last.ckpt" in self.refused(stopped.path, capsys)  # it got so far

    def test_no_run_directory(self, tmp_path, capsys):
        assert "no run directory" in self.refused(tmp_path, capsys)
        assert "no run directory" in self.refused(tmp_path / "nowhere", capsys)

    @pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "seed: 1\n"])
    def test_a_damaged_configuration(self, text, stopped, capsys):
        (stopped.path / "config.yaml").write_text(text)
        assert "config.yaml" in self.refused(stopped.path, capsys)

    @pytest.mark.parametrize("keep", [0, 100, 0.5])
    def test_a_truncated_checkpoint(self, keep, stopped, capsys):
        path = stopped.path / "checkpoints" / "last.ckpt"
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
        path.with_name("best.ckpt").unlink()  # with it training goes on, see test_resume_exactness
        message = self.refused(stopped.path, capsys)
        assert f"{path}: the checkpoint is damaged" in message or f"{path}: damaged" in message

    def test_a_checkpoint_of_another_network(self, stopped, train, capsys):
        other = train("model=mlp", "model.hidden=[8]")
        target = stopped.path / "checkpoints" / "last.ckpt"
        target.write_bytes((other.path / "checkpoints" / "last.ckpt").read_bytes())
        assert "is of another network" in self.refused(stopped.path, capsys)

    def test_a_file_that_is_no_checkpoint(self, stopped, capsys):
        torch.save({"weights": torch.ones(2)}, stopped.path / "checkpoints" / "last.ckpt")
        assert "not a checkpoint of this runner" in self.refused(stopped.path, capsys)
