"""verify: 0 for a promise that is kept, 1 for one that is not, 2 where nothing was promised."""

import pytest

from runner.cli.commands import verify
from runner.cli.commands.verify import SPEED, Expectation, can_be_kept
from runner.cli.main import main

EXPERIMENT = """\
# @package _global_
# A line through three points
# python -m runner experiment=mine
# Expect what `expected` says
defaults:
  - override /data: line
  - override /model: linear
  - override /optimizer: lbfgs
  - override /scheduler: none
name: mine
{expected}
trainer: {{max_epochs: 3}}
logger: {{}}
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Writes the user's experiment with this expectation."""
    monkeypatch.chdir(tmp_path)

    def write(expected):
        folder = tmp_path / "own" / "experiment"
        folder.mkdir(parents=True)
        (folder / "mine.yaml").write_text(EXPERIMENT.format(expected=expected))
        return ["verify", "experiment=mine", "logger=none", "--config-dir", "own"]

    return write


@pytest.mark.parametrize(
    ("value", "tolerance", "mode", "status", "verdict"),
    [
        (0.0, 0.001, "min", 0, "kept: test/mse is "),
        (100.0, 0.001, "max", 1, "NOT kept: test/mse is "),
    ],
)
def test_a_promise_is_compared(experiment, capsys, value, tolerance, mode, status, verdict):
    command = experiment(f"expected: {{metric: test/mse, value: {value}, tolerance: {tolerance}, mode: {mode}}}")
    assert main(command) == status
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(verdict)
    assert last.endswith(f"expected {value:.4g} within 0.001")


def test_every_promise_is_compared(experiment, capsys):
    command = experiment(
        "expected: {metric: test/mse, value: 0.0, tolerance: 0.001, mode: min, also: {test/mae: -1.0}}"
    )
    assert main(command) == 1
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.startswith("kept: test/mse is ")
    assert second.startswith("NOT kept: test/mae is ")


def test_what_is_reached_at_least_has_no_tolerance(experiment, capsys):
    command = experiment(
        "expected: {metric: test/mse, value: 0.0, tolerance: 9.0, mode: min, at_least: {test/mae: 1.0}}"
    )
    assert main(command) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("NOT kept: test/mae is ")


@pytest.mark.parametrize(
    ("metric", "vnni", "judged"),
    [(f"{SPEED}batch_1", False, False), (f"{SPEED}batch_1", True, True), ("gain/size", False, True)],
)
def test_speed_is_judged_where_integers_are_multiplied(metric, vnni, judged, monkeypatch):
    monkeypatch.setattr(verify, "has_integer_dot_product", lambda: vnni)
    assert can_be_kept(Expectation(metric, 1.0, 0.0, "max")) == judged


def test_a_promise_of_a_metric_that_the_run_lacks_is_a_mistake(experiment, capsys):
    command = experiment("expected: {metric: test/accuracy, value: 1.0, tolerance: 0.0, mode: max}")
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "expected.metric=test/accuracy: this task does not measure that" in error
    assert "test/mse" in error


@pytest.mark.parametrize("expected", ["", "expected: {metric: test/mse}"])
def test_without_a_whole_promise_nothing_runs(experiment, capsys, tmp_path, expected):
    assert main(experiment(expected)) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("mode", "measured", "shortfall"),
    [("max", 0.97, 0.0), ("max", 0.96, 0.01), ("max", 1.0, 0.0), ("min", 1.01, 0.02), ("min", 0.5, 0.0)],
)
def test_only_the_wrong_side_of_the_tolerance_counts(mode, measured, shortfall):
    expectation = Expectation("test/accuracy", 0.98, 0.01, mode)
    assert expectation.shortfall({"test/accuracy": measured}) == pytest.approx(shortfall, abs=1e-12)


def test_a_metric_may_be_promised_to_come_near_to_another():
    expectation = Expectation("compressed/map", "test/map", 0.01, "max")
    assert expectation.shortfall({"compressed/map": 0.691, "test/map": 0.7}) == 0
    assert expectation.shortfall({"compressed/map": 0.68, "test/map": 0.7}) == pytest.approx(0.01)
    assert "0.68, expected 0.7 (test/map)" in expectation.verdict({"compressed/map": 0.68, "test/map": 0.7})
