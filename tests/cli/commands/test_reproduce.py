"""reproduce: equal where nothing changed, and what changed is named."""

import json

import pytest

from runner.cli.commands.reproduce import changes, differences
from runner.cli.main import main

LINE = ("experiment=linear_regression", "trainer.max_epochs=2", "trainer=cpu", "logger=csv")


@pytest.fixture
def original(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*LINE, "hydra.run.dir=original"]) == 0
    return tmp_path / "original"


def test_the_same_comes_out_digit_for_digit(original, tmp_path, capsys):
    assert main(["reproduce", "original"]) == 0
    output = capsys.readouterr().out
    assert "warning: data" not in output
    assert output.splitlines()[-1].startswith("equal: all ")
    (again,) = tmp_path.glob("outputs/runs/*/*/result.json")
    first, second = (json.loads(path.read_text()) for path in (original / "result.json", again))
    assert first["identity"] == second["identity"]
    assert first["metrics"] == second["metrics"]


def test_other_data_and_other_metrics_are_told(original, capsys):
    for name, change in (("environment", {"data": "0" * 16}), ("result", None)):
        path = original / f"{name}.json"
        content = json.loads(path.read_text())
        if change is None:
            content["metrics"]["test/mse"] += 1e-6
        else:
            content |= change
        path.write_text(json.dumps(content))
    assert main(["reproduce", "original"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"warning: data was {'0' * 16}, is ") for line in lines)
    assert any(line.startswith("test/mse was ") for line in lines)
    assert lines[-1].startswith("different: 1 of ")


def test_a_run_without_a_result_is_refused(original, capsys):
    (original / "result.json").unlink()
    assert main(["reproduce", "original"]) == 2
    assert "there is no result" in capsys.readouterr().err


def test_only_what_decides_results_is_a_change():
    before = {"git": {"revision": "a", "dirty": False}, "versions": {"torch": "1"}, "hostname": "x"}
    now = {"git": {"revision": "b", "dirty": True}, "versions": {"torch": "2"}, "hostname": "y"}
    assert changes(before, now) == [
        "git.dirty was False, is True",
        "git.revision was a, is b",
        "versions.torch was 1, is 2",
        "the checkout has uncommitted changes, which no revision names",
    ]


def test_latencies_are_never_compared():
    assert differences({"test/loss": 1.0, "benchmark/int8/latency_ms/batch_1": 1.0}, {"test/loss": 1.0}) == []
