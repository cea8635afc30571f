"""A sweep is an object on disk: what is done stays done, what is not goes on, and what changed is told."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.sweep.record import Entry, Sweep


def results(folder: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.rglob("result.json"))}


def test_every_combination_is_a_run_with_the_identity_that_was_planned(sweep, jobs, tmp_path):
    assert sweep("scheduler=none,step", "seed=1,2") == 0
    done = results(tmp_path)
    assert [done[str(number)]["choices"]["scheduler"] for number in range(4)] == ["none", "none", "step", "step"]
    assert [done[str(number)]["settings"]["seed"] for number in range(4)] == [1, 2, 1, 2]
    assert [job["identity"] for job in jobs()] == [done[str(number)]["identity"] for number in range(4)]
    assert len({job["identity"] for job in jobs()}) == 4
    assert [job["differs"] for job in jobs()][1] == ["scheduler=none", "seed=2"]


def test_the_same_command_again_runs_nothing_and_shows_the_same_results(sweep, tmp_path, capsys):
    assert sweep("seed=1,2") == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    first = capsys.readouterr().out
    assert sweep("seed=1,2") == 0
    again = capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == before
    assert "2 of them done" in again
    table = [line for line in first.splitlines() if "±" in line]
    assert table
    assert table == [line for line in again.splitlines() if "±" in line]


def test_a_run_whose_directory_was_removed_is_done_again(sweep, jobs, tmp_path):
    assert sweep("seed=1,2") == 0
    (path,) = tmp_path.rglob("sweep.json")
    shutil.rmtree(path.parent / "1")
    kept = (path.parent / "0" / "result.json").stat().st_mtime_ns
    assert sweep("seed=1,2") == 0
    assert (path.parent / "1" / "result.json").is_file()
    assert (path.parent / "0" / "result.json").stat().st_mtime_ns == kept


def test_more_values_in_the_same_place_run_what_is_new_only(sweep, jobs, tmp_path):
    place = f"hydra.sweep.dir={tmp_path / 'place'}"
    assert sweep("seed=1,2", place) == 0
    before = (tmp_path / "place" / "1" / "result.json").stat().st_mtime_ns
    assert sweep("seed=2,3", place) == 0
    assert [job["differs"] for job in jobs()] == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert (tmp_path / "place" / "1" / "result.json").stat().st_mtime_ns == before


def test_skip_done_false_runs_again_and_keeps_the_old_result(sweep, tmp_path):
    assert sweep("seed=1,2") == 0
    assert sweep("seed=1,2", "sweep.skip_done=false") == 0
    done = results(tmp_path)
    assert done["0"]["metrics"] == done["0.1"]["metrics"]


def test_a_failing_job_is_told_at_once_and_stops_no_other(sweep, jobs, tmp_path, capsys):
    assert sweep("optimizer.lr=0.01,1e30,0.02") == 1
    states = [job["state"] for job in jobs()]
    assert states == ["done", "failed", "done"]
    failed = jobs()[1]
    assert failed["exit_status"] == 2
    assert "optimizer.lr" in failed["error"]
    output = capsys.readouterr().out
    told, after = output.index("[2/3]  failed  optimizer.lr=1e+30"), output.index("[3/3]  done")
    assert told < after
    log = next(tmp_path.rglob("1/console.log"))
    assert str(log.relative_to(tmp_path)) in output
    assert "error: " in log.read_text()


def test_what_failed_is_left_alone_until_it_is_to_be_retried(sweep, jobs, tmp_path):
    assert sweep("optimizer.lr=1e30,0.01") == 1
    log = next(tmp_path.rglob("0/console.log"))
    before = log.read_text()
    assert sweep("optimizer.lr=1e30,0.01") == 1
    assert log.read_text() == before
    assert sweep("optimizer.lr=1e30,0.01", "sweep.retry_failed=true") == 1
    assert len(log.read_text()) > len(before)
    assert [job["state"] for job in jobs()] == ["failed", "done"]


def test_a_failed_job_that_is_mended_is_done_at_the_next_try(sweep, jobs, tmp_path, monkeypatch):
    from runner.stages import test

    def broken(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(test, "test", broken)
        assert sweep("seed=1,2") == 1
    assert "OSError: the disk is full" in jobs()[0]["traceback"]
    assert sweep("seed=1,2", "sweep.retry_failed=true") == 0
    assert [job["state"] for job in jobs()] == ["done", "done"]


def test_on_error_stop_leaves_the_rest_waiting(sweep, jobs):
    assert sweep("optimizer.lr=0.01,1e30,0.02", "sweep.on_error=stop") == 1
    assert [job["state"] for job in jobs()] == ["done", "failed", "waiting"]


def test_bad_combinations_are_listed_together_before_anything_runs(sweep, tmp_path, capsys):
    assert sweep("data=line,digits", "optimizer=sgd,sdg") == 2
    message = capsys.readouterr().err
    assert "3 of 4 combinations cannot run" in message
    assert "Did you mean sgd" in message
    assert "model=linear data=digits: this network takes tabular data" in message
    assert not (tmp_path / "outputs").exists()


def test_bad_combinations_are_left_out_if_asked(sweep, jobs, capsys):
    assert sweep("data=line,digits", "sweep.on_invalid=skip") == 0
    assert "left out  data=digits" in capsys.readouterr().out
    assert [job["differs"] for job in jobs()] == [["data=line"]]


def test_a_mistake_of_all_jobs_is_told_as_that_of_a_single_run(sweep, capsys):
    assert sweep("seed=1,2", "optimizer.lrr=1") == 2
    assert capsys.readouterr().err.startswith("error: optimizer.lrr: there is no such key. Did you mean optimizer.lr")


@pytest.mark.parametrize(
    ("override", "advice"),
    [
        ("hydra/launcher=joblib", "launcher=processes"),
        ("hydra.sweep.subdir=x", "hydra.sweep.dir"),
        ("sweep=seeds,search", "one value at a time"),
        ("launcher=nonsense", "there is no such choice"),
        ("launcher.jobs=4", "launcher=processes"),
        ("optimizer.lr=interval(0.1,1)", "sweep=search"),
        ("trainer.max_epochs=range(1,3),7", "name the values one by one"),
        ("sweep.on_error=maybe", "one of continue, stop"),
    ],
)
def test_what_no_sweep_can_do_is_refused(sweep, capsys, tmp_path, override, advice):
    assert sweep("seed=1,2", override) == 2
    assert advice in capsys.readouterr().err
    assert not list(tmp_path.rglob("sweep.json"))


def test_a_configuration_that_changed_is_told_and_a_fresh_sweep_starts_anew(sweep, tmp_path, capsys):
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\n# a\n# b\n# c\noptimizer: {{lr: {lr}}}\n"
    (folder / "mine.yaml").write_text(text.format(lr=0.01))
    command = ("experiment=mine", "data=line", "model=linear", "optimizer=sgd", "seed=1,2")
    from runner.cli.main import main

    def run(*more):
        return main(["-m", *command, "trainer.max_epochs=1", "trainer=cpu", "logger=csv", *more])

    assert run() == 0
    (folder / "mine.yaml").write_text(text.format(lr=0.02))
    capsys.readouterr()
    assert run() == 2
    message = capsys.readouterr().err
    assert "optimizer.lr: 0.01, now 0.02" in message
    assert "--fresh" in message
    assert run("--fresh") == 0
    assert len(list(tmp_path.rglob("sweep.json"))) == 2
    assert run() == 0  # the newest of the two is the one that goes on


def test_two_processes_never_run_the_same_sweep(tmp_path):
    sweep = Sweep(tmp_path / "sweep", ["seed=1,2"])
    with sweep.locked(), pytest.raises(RunnerError, match="another process"), Sweep(sweep.path, []).locked():
        pass
    with sweep.locked():
        pass
    with (sweep.path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_sweep_is_read_as_it_was_written_and_common_settings_are_kept_once(tmp_path):
    entries = [Entry(n, [f"seed={n}"], [f"seed={n}"], f"id{n}", {"seed": n, "optimizer.lr": 0.1}) for n in range(3)]
    written = Sweep(tmp_path, ["seed=0,1,2"], entries)
    written.save()
    assert (tmp_path / "sweep.json").read_text().count("optimizer.lr") == 1
    read = Sweep.load(tmp_path)
    assert (read.command, read.created, read.entries) == (written.command, written.created, written.entries)


def test_a_damaged_sweep_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "sweep.json").write_text('{"jobs": [')
    with pytest.raises(RunnerError, match=r"sweep\.json: damaged"):
        Sweep.load(tmp_path)


def test_a_killed_sweep_goes_on_and_no_finished_job_runs_twice(tmp_path):
    command = [
        *(sys.executable, "-m", "runner", "-m", "experiment=linear_regression", "trainer=cpu", "logger=csv"),
        *("trainer.max_epochs=3,200,4", "hydra.sweep.dir=sweep"),
    ]
    options = {
        "cwd": tmp_path,
        "env": {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        "text": True,
        "stdout": subprocess.PIPE,
    }
    process = subprocess.Popen(command, **options)
    assert any(line.startswith("[1/3]  done") for line in process.stdout)  # the second job, a long one, is under way
    process.kill()
    process.communicate()
    place = tmp_path / "sweep"
    finished = (place / "0" / "result.json").stat().st_mtime_ns
    assert not (place / "1" / "result.json").exists()
    done = subprocess.run(command, timeout=300, **options)
    assert done.returncode == 0
    assert "3 runs in sweep, 1 of them done" in done.stdout
    assert (place / "0" / "result.json").stat().st_mtime_ns == finished
    assert {path.parent.name for path in place.rglob("result.json")} == {"0", "1", "2"}
