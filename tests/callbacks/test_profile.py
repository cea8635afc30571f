"""mode=profile: a trace that a browser opens, and the ten dearest operators."""

import json

from runner.callbacks.profile import ROWS


def test_a_trace_and_a_table(run, capsys):
    directory = run("mode=profile", "model=mlp", "data=digits", "logger=none")
    trace = json.loads((directory / "artifacts" / "profile" / "trace.json").read_text())
    assert {event["name"] for event in trace["traceEvents"]} >= {"aten::addmm", "aten::relu"}
    lines = capsys.readouterr().out.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("The 10 dearest operators"))
    table = [line for line in lines[start:] if line.startswith("│") and "%" in line][:ROWS]
    assert len(table) == ROWS
    own = [float(line.split("│")[2]) for line in table]
    assert own == sorted(own, reverse=True)
    shares = [float(line.split("│")[4].strip().rstrip("%")) for line in table]
    assert 50 < sum(shares) <= 100.1


def test_too_short_a_training_says_so(run, capsys):
    directory = run("mode=profile", "data=line", "logger=none", "trainer.max_epochs=3")
    assert "No profile: training ended after 3 steps" in capsys.readouterr().out
    assert not (directory / "artifacts" / "profile").exists()
