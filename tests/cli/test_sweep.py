"""-m: every run of a sweep is a run like any other, and one that cannot be done does not stop the rest."""

import json


def test_runs_that_can_be_done_are_done(runner, tmp_path):
    rows = "".join(f"{number},{number % 3},text\n" for number in range(20))
    (tmp_path / "t.csv").write_text(f"a,y,name\n{rows}")
    done = runner(
        "-m",
        "data=csv",
        "data.root=t.csv",
        "data.features=[a]",
        "data.target=y,name",
        "trainer.max_epochs=1",
        "logger=none",
        "hydra.sweep.dir=sweep",
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert "line 2, column 'name': 'text' is no number" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 of the sweep's runs could not be done")
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text())["status"] == "done"
    failed, finished = (json.loads(path.read_text()) for path in sorted(tmp_path.rglob("status.json"), reverse=True))
    assert {failed["state"], finished["state"]} == {"failed", "done"}
