"""The run directory: claimed once, never half written, honest about its state."""

import json
import os
import threading
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.errors import RunnerError
from runner.files import write_json, write_text
from runner.tracking import run_directory
from runner.tracking.identity import identity
from runner.tracking.result import ArtifactFile, RunResult
from runner.tracking.run_directory import RunDirectory, claim, created
from runner.tracking.signals import Interrupted


@pytest.fixture(autouse=True)
def no_inherited_directory(monkeypatch):
    monkeypatch.setenv(run_directory.ENVIRONMENT_VARIABLE, "")


def create(wanted, config, *, exactly=False):
    """A run directory that was made, and is held no more."""
    with created(wanted, config, ["seed=3"], {"model": "mlp"}, exactly=exactly) as record:
        return record


def test_runs_of_the_same_second_get_different_directories(tmp_path):
    wanted = tmp_path / "12-00-00-cnn-digits"
    claimed = []
    threads = [threading.Thread(target=lambda: claimed.append(claim(wanted, exactly=False))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(claimed)) == 8
    assert all(path.is_dir() for path in claimed)


def test_a_named_directory_that_holds_a_run_is_refused(tmp_path):
    create(tmp_path / "mine", OmegaConf.create({"seed": 1}), exactly=True)
    with pytest.raises(RunnerError, match=r"holds a run already.*resume"):
        create(tmp_path / "mine", OmegaConf.create({"seed": 1}), exactly=True)


def test_a_named_directory_is_taken_where_a_run_was_killed_before_it_had_a_configuration(tmp_path):
    record = create(tmp_path / "mine", OmegaConf.create({"seed": 1}), exactly=True)
    (record.path / "config.yaml").unlink()
    assert create(tmp_path / "mine", OmegaConf.create({"seed": 2}), exactly=True).config().seed == 2
    (record.path / "config.yaml").unlink()
    (record.path / ".lock").unlink()  # of an older version
    with pytest.raises(RunnerError, match=r"holds a run already"):
        create(tmp_path / "mine", OmegaConf.create({}), exactly=True)


def test_a_directory_is_held_while_its_run_is_made(tmp_path):
    with (
        created(tmp_path / "mine", OmegaConf.create({}), [], {}, exactly=True) as record,
        pytest.raises(RunnerError, match=r"mine: this run is still going on \(process \d+ on .*\)\."),
        RunDirectory(record.path).held(),
    ):
        pytest.fail("two have it")
    with record.held(), RunDirectory(record.path, primary=False).held():
        pass


def test_a_named_directory_that_is_merely_there_is_used(tmp_path):
    (tmp_path / "mine").mkdir()
    assert create(tmp_path / "mine", OmegaConf.create({}), exactly=True).path == tmp_path / "mine"


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunnerError, match=r"file.*cannot be written.*hydra\.run\.dir"):
        create(tmp_path / "file" / "run", OmegaConf.create({}))


@pytest.mark.parametrize(
    ("error", "state"), [(None, "done"), (ValueError("x"), "failed"), (Interrupted(2), "interrupted")]
)
def test_the_status_tells_how_a_run_ended(tmp_path, error, state):
    record = create(tmp_path / "run", OmegaConf.create({}))
    try:
        with record.running():
            assert record.status["state"] == "running"
            assert record.status["pid"] == os.getpid()
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    assert record.status["state"] == state


def test_other_ranks_write_nothing(tmp_path):
    record = RunDirectory(tmp_path, primary=False)
    with record.running():
        record.write_json("environment.json", {})
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_comes_back_with_its_place_still_open(tmp_path):
    config = OmegaConf.create({"seed": 3, "place": "${run_directory:}/checkpoints"})
    from runner.config import resolvers

    resolvers.register()
    record = create(tmp_path / "run", config)
    moved = record.path.rename(tmp_path / "moved")
    with resolvers.run_directory(moved):
        assert RunDirectory(moved).config().place == f"{moved}/checkpoints"


def test_a_directory_without_a_run_is_an_error(tmp_path):
    with pytest.raises(RunnerError, match=r"no run directory"):
        RunDirectory(tmp_path).config()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_text(path, "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_numbers_that_json_cannot_hold_become_null(tmp_path):
    write_json(tmp_path / "x.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5]}


def test_a_result_survives_the_file(tmp_path):
    result = RunResult(
        "done",
        "cnn-digits",
        "abc",
        "/x",
        5,
        {"fit": 1.5},
        {"test/accuracy": 0.98},
        {"p": ArtifactFile("p.csv", 3)},
        "c",
    )
    result.save(tmp_path / "result.json")
    assert RunResult.load(tmp_path / "result.json") == result


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": "done", "artifacts": {}}'])
def test_a_damaged_result_is_an_error(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(RunnerError, match="not a result"):
        RunResult.load(tmp_path / "result.json")


def test_the_identity_ignores_the_machine_and_nothing_else():
    config = {"seed": 1, "name": "a", "data": {"root": "/a", "num_workers": 0, "batch_size": 64}, "logger": {"x": 1}}
    elsewhere = {"seed": 1, "name": "b", "data": {"root": "/b", "num_workers": 8, "batch_size": 64}, "logger": None}
    assert identity(config) == identity(elsewhere)
    for changed in ({**config, "seed": 2}, {**config, "data": {**config["data"], "batch_size": 32}}):
        assert identity(changed) != identity(config)
    assert config["data"]["root"] == "/a"
