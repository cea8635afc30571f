"""A disk that is full, files that are gone and limits that are reached: one sentence, the right state, nothing lost."""

import errno
import json
import os
import resource
import signal
from contextlib import contextmanager

import pytest
import torch
from omegaconf import OmegaConf

from runner.cli import main as command_line
from runner.errors import NO_ROOM, RunnerError, system_trouble
from runner.files import overwrite_json, write_with
from runner.tracking.checkpoints import save_weights
from runner.tracking.loggers import MetricsFile
from runner.tracking.notices import run_log
from runner.tracking.run_directory import created


@contextmanager
def limited(which, value):
    """Lower one of this process's limits within this context."""
    before = resource.getrlimit(which)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(which, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def run(tmp_path):
    with created(tmp_path / "run", OmegaConf.create({"seed": 1}), [], {}, exactly=True) as record:
        yield record


def test_a_checkpoint_that_has_no_room_leaves_the_one_before_and_a_sentence(run):
    path = run.path / "checkpoints" / "best.ckpt"
    save_weights(path, {"state_dict": {"w": torch.ones(10)}})
    with (
        pytest.raises(RunnerError, match=r"Raise the limit, and go on with: python -m runner resume"),
        run.running(),
        limited(resource.RLIMIT_FSIZE, 100_000),
    ):
        save_weights(path, {"state_dict": {"w": torch.zeros(100_000)}})
    assert torch.load(path, weights_only=True)["state_dict"]["w"].sum() == 10
    assert [each.name for each in path.parent.iterdir()] == ["best.ckpt"]
    assert run.status["state"] == "failed" and "resume" in run.status["error"]


@pytest.mark.parametrize("number", NO_ROOM)
def test_what_a_system_refuses_is_told_with_the_way_out(run, number, capsys, monkeypatch):
    with pytest.raises(RunnerError, match="and go on with: python -m runner resume"), run.running():
        raise OSError(number, os.strerror(number), "somewhere")
    assert run.status["state"] == "failed"

    def fails(arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(command_line, "dispatch", fails)
    assert command_line.main([]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_an_error_of_the_program_is_not_taken_for_one_of_the_disk(run):
    with pytest.raises(FileNotFoundError), run.running():
        (run.path.parent / "other").read_text()
    with pytest.raises(KeyError), run.running():
        try:
            raise FileNotFoundError(errno.ENOENT, "no", str(run.path))
        except FileNotFoundError:
            {}["a"]
    assert system_trouble(ValueError("a"), run.path) == ""
    assert "ulimit -n" in system_trouble(RuntimeError("unable to open: Too many open files (24)"))
    assert "no memory left" in system_trouble(MemoryError())


def test_memory_that_torch_does_not_get_is_told_without_a_traceback():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert "no memory left" in system_trouble(caught.value)


def test_how_a_run_ended_is_written_down_without_room_for_another_file(run, monkeypatch):
    before = (run.path / "status.json").stat().st_ino

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunnerError, match="the disk is full"), run.running():
        monkeypatch.setattr("runner.tracking.run_directory.write_json", no_room)
        no_room()
    assert (run.path / "status.json").stat().st_ino != before  # of the start of the run
    assert run.status["state"] == "failed" and "the disk is full" in run.status["error"]


def test_a_file_is_overwritten_by_a_shorter_one_as_a_whole(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"a": "long " * 100}))
    overwrite_json(tmp_path / "x.json", {"a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}


def test_a_run_whose_directory_was_removed_begins_no_other_there(run):
    with pytest.raises(RunnerError, match=r"config\.yaml is gone: somebody removed it"), run.running():
        (run.path / "config.yaml").unlink()
        run.update_status(stage="test")


def test_a_log_that_cannot_be_written_disturbs_nothing(run, capsys):
    import logging

    with run_log(run), limited(resource.RLIMIT_FSIZE, 1000):
        for _ in range(100):
            logging.getLogger("x").info("a line of a log that is too long " * 10)
    assert capsys.readouterr().err == ""


def test_too_many_open_files_are_told(tmp_path, run):
    def exhaust():
        opened = []
        try:
            while True:
                opened.append((tmp_path / "x").open("ab"))
        finally:
            for file in opened:
                file.close()

    with (
        pytest.raises(RunnerError, match=r"too many files are open. Raise the limit \(ulimit -n 4096\)"),
        run.running(),
        limited(resource.RLIMIT_NOFILE, 200),
    ):
        exhaust()


def test_what_torch_hides_is_told(tmp_path):
    with limited(resource.RLIMIT_FSIZE, 1000), pytest.raises(OSError, match="File too large"):
        write_with(tmp_path / "x", lambda file: torch.save(torch.zeros(10_000), file))
    assert list(tmp_path.iterdir()) == []


DAMAGED = [b"", b"\x00\xff" * 50, b"step,epoch,metric,value\n1,0,a", b"\n" * 9, b"x,y,z,w\n", b"1" * 20_000]


@pytest.mark.parametrize("size", [None, 0, 5, 10**15])
@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_of_curves_is_gone_on_with(tmp_path, content, size):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    logger = MetricsFile(str(path))
    logger.resume(size)
    for curves in ({}, {"bytes": size, "waiting": {}, "step": 3}, {"bytes": "x"}, {"bytes": -5}):
        logger.continue_from(2, curves)
    logger.log_metrics({"val/loss": 0.5, "epoch": 1}, 7)
    logger.finalize("success")
    assert path.read_bytes().endswith(b"\n7,1,val/loss,0.5\n")
    assert path.stat().st_size < 30_000


def test_metrics_of_strange_names_are_text(tmp_path):
    logger = MetricsFile(str(tmp_path / "metrics.csv"))
    logger.log_metrics({"=1+1": 0.5, "\x1b[31m": 1.0}, 1)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1:] == ["1,,'=1+1,0.5", "1,,\\x1b[31m,1.0"]


def test_an_error_that_stands_in_its_own_chain_is_looked_at_once(tmp_path):
    one, other = ValueError("a"), KeyError("b")
    one.__context__, other.__cause__ = other, one
    assert system_trouble(one, tmp_path) == ""
