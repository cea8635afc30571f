"""Golden runs measure what was written down, and the comparison finds what strays."""

import json

import pytest

from tests.golden import FOLDER, RUNS
from tests.golden.measure import file, measure, strays


@pytest.mark.parametrize("name", RUNS)
def test_a_short_run_measures_what_was_written_down(name, tmp_path):
    content = json.loads(file(name).read_text(encoding="utf-8"))
    assert content["command"] == " ".join(RUNS[name]), "the run changed: renew it with python -m tests.golden"
    assert strays(content["metrics"], measure(name, tmp_path / "run")) == []


def test_every_file_has_its_run():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(RUNS)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"test/loss": 1.0}, []),
        ({"test/loss": 1.0009}, []),
        ({"test/loss": 1.002}, ["test/loss: 1 was written down, 1.002 was measured"]),
        ({"test/loss": float("nan")}, ["test/loss: 1 was written down, nan was measured"]),
        ({}, ["test/loss: only in one of both"]),
        ({"test/loss": 1.0, "val/loss": 1.0}, ["val/loss: only in one of both"]),
    ],
)
def test_what_strays_is_found(found, words):
    assert strays({"test/loss": 1.0}, found) == words
