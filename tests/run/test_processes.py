"""The real command, and real signals: exit status, message, record; and a run of two processes."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from runner.cli.main import main
from tests.support.runs import SMALL, Run, assert_same_run

ENDLESS = (*SMALL, "model=mlp", "logger=both", "scheduler=none", "trainer.max_epochs=100000")


@pytest.fixture
def start(tmp_path):
    """`start("model=mlp")` starts the real command as a terminal would: a process group of its own, Ctrl-C allowed."""
    processes = []

    def call(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        processes.append(process)
        return process

    yield call
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    """Reads the output up to a line that begins like this."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    pytest.fail(f"the output ended: {process.stderr.read() if process.stderr else ''}")


def shorten(run: Run, epochs: int) -> None:
    """Makes the run end after so many epochs."""
    path = run.path / "config.yaml"
    path.write_text(path.read_text().replace("max_epochs: 100000", f"max_epochs: {epochs}"))


def test_a_signal_ends_the_run_in_good_order(start, tmp_path):
    """SIGINT; SIGTERM ends the run of two processes below, and one of this process in test_resume_exactness."""
    process = start(*ENDLESS, "hydra.run.dir=my run")
    wait_for(process, "epoch 2/")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == f"stopped by SIGINT; continue with: python -m runner resume '{tmp_path / 'my run'}'\n"
    run = Run(tmp_path / "my run")
    status = run.json("status")
    assert (status["state"], status["error"]) == ("interrupted", "stopped by SIGINT")
    assert status["seconds"]["fit"] > 0
    assert run.checkpoint()["global_step"] >= 12
    shorten(run, run.checkpoint()["epoch"] + 2)
    assert main(["resume", str(run.path)]) == 0
    assert run.json("status")["state"] == "done"


def test_a_killed_run_loses_nothing_of_the_epochs_it_finished(start, train, curves, tmp_path):
    process = start(*ENDLESS, "hydra.run.dir=killed")
    wait_for(process, "epoch 2/")
    process.kill()
    process.communicate()
    run = Run(tmp_path / "killed")
    assert run.json("status")["state"] == "running"
    run.age_curves()
    finished = run.checkpoint()["epoch"]
    shorten(run, finished + 2)
    assert main(["resume", str(run.path)]) == 0
    whole = train("model=mlp", "logger=both", "scheduler=none", f"trainer.max_epochs={finished + 2}")
    assert_same_run(whole, run)
    assert curves(run) == curves(whole)


def test_ctrl_c_before_the_run_began_is_no_traceback(start):
    process = start(*ENDLESS)
    wait_for(process, "model=mlp")  # torch is imported after this line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_two_processes_make_one_run_that_can_be_resumed(start, tmp_path):
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    settings = [each for each in ENDLESS if each != "trainer=cpu"]
    process = start(*two, *settings)
    wait_for(process, "epoch 2/")
    process.terminate()  # only the first process hears of it
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.count("stopped by SIGTERM") == 1
    (path,) = tmp_path.glob("outputs/runs/*/*")
    run = Run(path)
    shorten(run, run.checkpoint()["epoch"] + 2)
    resumed = start("resume", str(path))
    output, errors = resumed.communicate()
    assert (resumed.returncode, errors) == (0, "")
    assert output.count("Run directory") == 1
    assert (128 * run.metrics["test/accuracy"]).is_integer()  # two batches of 32 in each process
    assert list(tmp_path.glob("outputs/runs/*/*")) == [path]
    assert all(torch.isfinite(each).all() for each in run.checkpoint("best")["state_dict"].values())
