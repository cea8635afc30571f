"""The lock of a directory: one process at a time, for as long as it lives and no longer, whoever it left behind."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from runner.errors import RunnerError
from runner.tracking import lock


def test_a_second_holder_is_refused_in_one_sentence_that_names_the_first(tmp_path):
    with lock.held(tmp_path, "this run is still going on"):
        assert lock.is_held(tmp_path)
        with pytest.raises(RunnerError) as refused, lock.held(tmp_path, "this run is still going on"):
            pytest.fail("two hold it")
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert str(refused.value) == f"{tmp_path}: this run is still going on ({holder})."
    assert not lock.is_held(tmp_path)
    with lock.held(tmp_path, "it can be held again"):
        pass


def test_a_directory_that_nobody_ever_held_is_not_held_and_stays_as_it_is(tmp_path):
    assert not lock.is_held(tmp_path)
    assert not lock.is_held(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_whoever_asks_does_not_keep_others_out(tmp_path):
    with lock.held(tmp_path, "first"):
        pass
    asking = os.open(tmp_path / lock.FILE, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not lock.is_held(tmp_path)  # two may ask at once
    os.close(asking)


def test_an_error_within_is_not_taken_for_one_of_the_lock(tmp_path):
    with pytest.raises(FileNotFoundError), lock.held(tmp_path, "held"):
        (tmp_path / "missing").read_text()
    with pytest.raises(RunnerError, match="cannot be written"), lock.held(tmp_path / "missing", "held"):
        pass


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / lock.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunnerError, match="cannot be written"), lock.held(tmp_path, "held"):
        pass
    assert (tmp_path / "elsewhere").read_text() == "mine"


CHILDREN = """
import os, subprocess, sys
from pathlib import Path
from runner.tracking import lock

with lock.held(Path(sys.argv[1]), "held"):
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=0, close_fds=False)
    forked = os.fork()
    if forked == 0:  # it says so itself: what it inherited is let go only once it runs
        print(started.pid, os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    os.waitpid(forked, 0)
"""


def test_children_that_outlive_a_killed_holder_do_not_keep_the_lock(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILDREN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    children = [int(each) for each in process.stdout.readline().split()]
    try:
        assert lock.is_held(tmp_path)
        process.kill()
        process.wait()
        assert [os.kill(each, 0) for each in children] == [None, None]  # both live
        assert not lock.is_held(tmp_path)
        with lock.held(tmp_path, "held"):
            pass
    finally:
        for each in children:
            os.kill(each, signal.SIGKILL)
        process.communicate()


def test_a_child_closes_no_file_that_got_the_number_of_the_lock(tmp_path):
    with lock.held(tmp_path, "held"):
        child = os.fork()
        if child == 0:
            opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
            again = {os.fstat(each).st_ino for each in opened}
            os._exit(0 if len(again) == 1 and not lock._open else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lock.is_held(tmp_path)


class TestWithoutLocks:
    """File systems that keep none."""

    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch):
        def refuse(*_):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", refuse)

    def test_it_is_said_once_and_the_run_goes_on(self, tmp_path, capsys):
        for _ in range(2):
            with lock.held(tmp_path, "held"):
                pass
        told = capsys.readouterr().err
        assert told.count("keeps no locks") == 1
        assert str(tmp_path) in told

    def test_the_very_process_that_signed_is_found_and_another_of_its_number_is_not(self, tmp_path):
        with lock.held(tmp_path, "held"):
            assert lock.is_held(tmp_path)
            with pytest.raises(RunnerError, match="held"), lock.held(tmp_path, "held"):
                pass
            signed = json.loads((tmp_path / lock.FILE).read_text())
            (tmp_path / lock.FILE).write_text(json.dumps(signed | {"began": signed["began"] - 1}))
            assert not lock.is_held(tmp_path)
            (tmp_path / lock.FILE).write_text(json.dumps(signed | {"host": "far"}))
            assert not lock.is_held(tmp_path)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "began": 1}'])
    def test_a_damaged_signature_is_nobodys(self, tmp_path, text):
        (tmp_path / lock.FILE).write_text(text)
        assert not lock.is_held(tmp_path)
