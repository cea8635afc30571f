"""Launchers: side by side, on a cluster, or in this process, a job gives the same result and the same record."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.sweep.launchers.processes import gpus, shares


def metrics(place: Path) -> dict[str, dict[str, float]]:
    return {path.parent.name: json.loads(path.read_text())["metrics"] for path in place.rglob("result.json")}


@pytest.fixture
def in_process(sweep, tmp_path) -> dict[str, dict[str, float]]:
    """What two jobs measure one after another in this process."""
    assert sweep("seed=1,2", f"hydra.sweep.dir={tmp_path / 'one'}") == 0
    return metrics(tmp_path / "one")


def test_jobs_side_by_side_measure_exactly_what_they_measure_alone(sweep, in_process, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert sweep("seed=1,2", "launcher=processes", f"hydra.sweep.dir={tmp_path / 'two'}") == 0
    assert metrics(tmp_path / "two") == in_process
    assert len(in_process) == 2


def test_ray_and_submitit_jobs_measure_the_same(sweep, in_process, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    pytest.importorskip("submitit", reason="needs the extra `slurm`")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    for launcher in (("launcher=ray", "launcher.cpus=0.5"), ("launcher=slurm", "launcher.cluster=local")):
        place = tmp_path / launcher[0].replace("=", "_")
        assert sweep("seed=1,2", *launcher, f"hydra.sweep.dir={place}") == 0
        assert metrics(place) == in_process


@pytest.mark.parametrize(("launcher", "module", "extra"), [("ray", "ray", "ray"), ("slurm", "submitit", "slurm")])
def test_a_launcher_that_is_not_installed_names_its_extra(sweep, capsys, monkeypatch, launcher, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    assert sweep("seed=1,2", f"launcher={launcher}") == 2
    assert f"pip install 'runner[{extra}]'" in capsys.readouterr().err


def test_a_sweep_of_runs_on_two_devices_starts_no_second_sweep(runner, tmp_path):
    done = runner(
        *("-m", "model=mlp", "seed=1", "mode=smoke", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"),
        *("logger=csv", "hydra.sweep.dir=sweep"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.parent.name for path in sorted(tmp_path.rglob("result.json"))] == ["0"]
    assert len(list(tmp_path.rglob("sweep.json"))) == 1
    assert len(list(tmp_path.rglob("config.yaml"))) == 1


def test_cores_and_gpus_are_divided(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert shares(2, 8, []) == [{"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}] * 2
    assert shares(4, 2, ["0"]) == [{"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}] * 4
    assert [each["CUDA_VISIBLE_DEVICES"] for each in shares(3, 6, ["0", "2"])] == ["0", "2", "0"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert shares(2, 8, [])[0]["OMP_NUM_THREADS"] == "3"
    monkeypatch.setattr("runner.sweep.launchers.processes.quotas", lambda: [4.5])
    assert shares(2, 4.5, [])[0] == {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"}
    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # what a single run of this quota is given
    assert shares(2, 4.5, [])[0]["OMP_NUM_THREADS"] == "2"


def test_gpus_are_those_that_this_process_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert gpus() == ["1", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []


def test_a_signal_to_the_sweep_leaves_jobs_that_can_go_on(tmp_path):
    command = [
        *(sys.executable, "-m", "runner", "-m", "experiment=linear_regression", "trainer=cpu", "logger=csv"),
        *("trainer.max_epochs=2,60", "launcher=processes", "launcher.jobs=1", "hydra.sweep.dir=sweep"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    options = {"cwd": tmp_path, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **options)
    assert any(line.startswith("[1/2]  done") for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "the same command goes on" in errors
    states = [job["state"] for job in json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]]
    assert states[0] == "done"
    assert states[1] != "done"
    again = subprocess.run(command, timeout=300, **options)
    assert again.returncode == 0, again.stdout
    assert len(list(tmp_path.rglob("result.json"))) == 2


def test_jobs_of_a_killed_sweep_end_as_if_they_were_interrupted(tmp_path):
    command = [
        *(sys.executable, "-m", "runner", "-m", "experiment=linear_regression", "trainer=cpu", "logger=csv"),
        *("trainer.max_epochs=2,100000", "launcher=processes", "launcher.jobs=2", "hydra.sweep.dir=sweep"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE)
    assert any(line.startswith("[1/2]  done") for line in process.stdout)
    status = tmp_path / "sweep" / "1" / "status.json"
    job = os.pidfd_open(json.loads(status.read_text())["pid"])
    process.kill()
    process.communicate()
    ended = select.poll()
    ended.register(job, select.POLLIN)
    assert ended.poll(60_000), "the job outlives its sweep"
    assert json.loads(status.read_text())["state"] == "interrupted"
