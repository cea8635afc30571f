"""What a run noticed is in its result, in what `check` says, and in what a failed run leaves behind."""

import json

import pytest

from runner.cli.main import main


def test_a_loss_that_never_moved_is_in_the_result(run, capsys):
    path = run("data=hello", "optimizer.lr=1e-9", "logger=none")
    (notice,) = json.loads((path / "result.json").read_text())["warnings"]
    assert notice["kind"] == "loss_never_moved"
    assert f"Notice  {notice['text']}" in capsys.readouterr().out.splitlines()
    assert main(["report", str(path), "--format", "markdown"]) == 0
    assert f"Noticed: {notice['text']}" in capsys.readouterr().out


def test_a_run_that_diverged_keeps_why(tmp_path, capsys):
    overrides = ["data=line", "optimizer=sgd", "optimizer.lr=1e30", "logger=none", "trainer=cpu"]
    assert main([*overrides, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    out, err = capsys.readouterr()
    (notice,) = json.loads((tmp_path / "run" / "status.json").read_text())["warnings"]
    assert notice["kind"] == "exploded"
    assert f"error: {notice['text']}" in err
    assert "Notice" not in out


def test_check_says_what_classes_leave_to_be_desired(tmp_path, capsys):
    rows = "".join(f"{index},{index % 7},{'rare' if index % 40 == 0 else 'often'}\n" for index in range(200))
    (tmp_path / "table.csv").write_text("a,b,kind\n" + rows)
    table = ["data=csv", f"data.root={tmp_path / 'table.csv'}", "data.target=kind", "task=classification"]
    assert main(["check", *table]) == 0
    assert "notice     Classes are as unequal as 1 to " in capsys.readouterr().out


@pytest.mark.parametrize("value", ["maybe", "3"])
def test_recalibration_is_on_or_off(value, capsys):
    assert main(["check", "data=digits", f"batch_norm.recalibrate={value}"]) == 2
    assert f"batch_norm.recalibrate={value}: must be true or false" in capsys.readouterr().err
