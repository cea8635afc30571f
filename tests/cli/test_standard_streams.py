"""A full disk or a closed pipe behind standard output breaks off nothing, and is told in one sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO

import pytest

from runner.cli import standard_streams
from runner.cli.main import main
from runner.cli.standard_streams import with_streams
from tests.support.runs import SMALL

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")


@pytest.fixture
def full():
    """A stream to a full disk."""
    with FULL.open("w") as stream:
        yield stream


@pytest.fixture
def closed():
    """A stream into a pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        yield stream


def printing(stream: TextIO, work: Callable[[], int]) -> int:
    """The status of `work` whose standard output leads to a stream."""
    with redirect_stdout(stream):
        return with_streams(work)


def test_a_run_whose_output_finds_no_room_is_done_and_says_so(full, tmp_path, capsys):
    assert printing(full, lambda: main([*SMALL, "model=mlp", f"hydra.run.dir={tmp_path}/run"])) == 1
    assert capsys.readouterr().err == (
        "error: what was printed is lost in part (stdout): the disk is full. Make room. What was done is done.\n"
    )
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"


def test_a_reader_that_has_read_enough_loses_nothing(closed, capsys):
    def work() -> int:
        for number in range(10_000):
            print("line", number)
        return 0

    assert printing(closed, work) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("status", "wanted"), [(0, 1), (2, 2), (130, 130)])
def test_the_status_of_a_failure_stays(full, status, wanted, capsys):
    def work() -> int:
        print("x")
        return status

    assert printing(full, work) == wanted


def test_help_that_nobody_gets_is_told(full, capsys):
    assert printing(full, lambda: main(["check", "--help"])) == 1
    assert "is lost in part (stdout)" in capsys.readouterr().err


def test_other_attributes_are_the_streams(full):
    stream = standard_streams.Stream(full)
    assert (stream.encoding, stream.isatty(), stream.fileno()) == (full.encoding, False, full.fileno())


def test_a_mistake_that_cannot_be_told_has_its_status():
    with FULL.open("w") as stream:
        command = [sys.executable, "-m", "runner", "nosuch"]
        assert subprocess.run(command, stdout=stream, stderr=stream, check=False).returncode == 2
