"""Of two runs the one that is better on validation data is named, and by what."""

import pytest

from runner.report.comparison import verdict
from runner.report.runs import read_run
from tests.support.written_runs import writer

CHECKPOINT = "by val/accuracy, the best checkpoint's"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"val/accuracy": 0.8, "test/accuracy": 0.99}, {"val/accuracy": 0.9, "test/accuracy": 0.1}, "B is better {}"),
        ({"val/accuracy": 0.9}, {"val/accuracy": 0.8}, "A is better {}: A 0.9000, B 0.8000."),
        ({"val/accuracy": 0.9}, {"val/accuracy": 0.9}, "Equal {}: A 0.9000, B 0.9000."),
        ({"val/accuracy": 0.9}, {"test/accuracy": 0.9}, "Only A has val/accuracy, the best checkpoint's."),
        (
            {"val/accuracy": 0.9, "compressed/val/accuracy": 0.7},
            {"val/accuracy": 0.8},
            "B is better by final/val/accuracy, on validation data, of the network that each run ended with: A 0.7000",
        ),
        (
            {"test/accuracy": 0.9},
            {"test/accuracy": 0.8},
            "by test/accuracy, on test data, as no run measured",
        ),
        ({}, {}, ""),
    ],
)
def test_the_better_of_two_runs_is_named(tmp_path, one, other, words):
    write = writer(tmp_path)
    runs = [read_run(write(metrics=metrics, parameters=None)) for metrics in (one, other)]
    said = verdict(*runs)
    assert words.format(CHECKPOINT) in said if words else said == ""
