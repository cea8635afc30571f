"""A run or a sweep that is killed at any operation on its files ends, gone on with, as if nothing had happened."""

import signal

import pytest

from tests.faults.cases import RUNS, Case
from tests.faults.client import Server

# Of every operation of a training some, by both signals; all of them, of every stage and of a sweep: `make faults`.
KILLED = tuple(range(1, 57, 4))
ENDED = tuple(range(2, 57, 8))


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    server = Server(folder, [*RUNS["train"], f"hydra.run.dir={folder / 'warm'}"])
    yield Case(server, "train")
    server.close()


def test_the_chosen_operations_reach_from_the_first_to_the_last(training):
    assert KILLED[0] == 1
    assert 50 <= training.operations <= 60


@pytest.mark.parametrize(
    ("number", "at"),
    [*((signal.SIGKILL, at) for at in KILLED), *((signal.SIGTERM, at) for at in ENDED)],
)
def test_killed_and_gone_on_with(training, number, at):
    ended = training.survives(at, number)
    assert ended.status in ((-signal.SIGKILL,) if number == signal.SIGKILL else (128 + number, -number))
