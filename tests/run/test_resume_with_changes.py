"""resume RUN key=value: a run goes on with other settings, and what it was is kept."""

import os
import shutil
import signal

import pytest
import torch
import yaml

from runner.cli.main import main
from runner.report.report import build_report
from runner.report.runs import find_runs
from tests.support.runs import Run, differences

CONSTANT = ("model=mlp", "scheduler=none")


def resume(run: Run, *changes: str) -> int:
    return main(["resume", str(run.path), *changes])


def copied(run: Run, place) -> Run:
    return Run(shutil.copytree(run.path, place / "copy"))


def rates(run: Run) -> dict[int, float]:
    """The learning rate of the first group by step."""
    return {int(row[0]): float(row[3]) for row in run.rows[1:] if row[2] in ("lr-AdamW", "lr-AdamW/pg1")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_once):
    """Finished runs at a constant rate: of two epochs, and of three."""
    place = tmp_path_factory.mktemp("constant")
    return run_once(place / "short", *CONSTANT, "trainer.max_epochs=2"), run_once(place / "long", *CONSTANT)


@pytest.fixture(scope="module")
def cycle(tmp_path_factory, run_once):
    """Finished runs under one cycle: of two epochs, and of three."""
    place = tmp_path_factory.mktemp("cycle")
    return run_once(place / "short", "model=mlp", "trainer.max_epochs=2"), run_once(place / "long", "model=mlp")


def test_more_epochs_of_a_finished_run_equal_a_longer_run(finished, tmp_path, capsys):
    short, long = finished
    run = copied(short, tmp_path)
    before = run.json("result")
    assert resume(run, "trainer.max_epochs=3") == 0
    assert "epoch 2: trainer.max_epochs 2 to 3" in capsys.readouterr().out
    assert differences(run.metrics, long.metrics) == []
    assert run.rows == long.rows
    for name in ("best", "last"):
        a, b = run.checkpoint(name), long.checkpoint(name)
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "training", "metrics", "epoch", "global_step"):
            assert differences(a[key], b[key], f"{name}/{key}") == []
    after = run.json("result")
    assert len({before["identity"], after["identity"], long.json("result")["identity"]}) == 3
    assert after["settings"]["resumed"] == "epoch 2: trainer.max_epochs 2 to 3"
    # What it was is a run of its own, and the report has both.
    kept = Run(run.path / "earlier" / "1")
    assert kept.json("result") == before
    assert differences(kept.checkpoint("best"), short.checkpoint("best")) == []
    rows = build_report(find_runs([run.path])).rows
    assert {row.runs[0].path for row in rows} == {run.path, kept.path}
    [entry] = yaml.safe_load((run.path / "resumed.yaml").read_text())
    assert (entry["epochs"], entry["step"], entry["earlier"]) == (2, 12, "earlier/1")
    assert (entry["before"], entry["after"]) == ({"trainer.max_epochs": 2}, {"trainer.max_epochs": 3})
    assert main(["reproduce", str(run.path)]) == 2
    assert "no single configuration made this run" in capsys.readouterr().err


def test_a_schedule_is_that_of_the_longer_run_from_there_on(cycle, tmp_path, capsys):
    short, long = cycle
    run = copied(short, tmp_path)
    assert resume(run, "trainer.max_epochs=3") == 0
    assert "the schedule (one_cycle) is that of a run with the new settings" in capsys.readouterr().out
    there, wanted = rates(run), rates(long)
    assert [there[step] for step in there if step >= 12] == [wanted[step] for step in wanted if step >= 12]
    states = run.checkpoint()["lr_schedulers"], long.checkpoint()["lr_schedulers"]
    assert differences(*states) == []


def test_a_stopped_run_goes_on_at_another_rate_with_its_optimizers_state(finished, train, at_step, capsys):
    long = finished[1]
    at_step(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*CONSTANT, status=130)
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert resume(run, "optimizer.lr=0.001", "optimizer.weight_decay=0.02") == 130
    states = run.checkpoint()["optimizer_states"][0]
    assert [(group["lr"], group["weight_decay"]) for group in states["param_groups"]] == [(0.001, 0.02), (0.001, 0.0)]
    assert {float(each["step"]) for each in states["state"].values()} == {12.0}
    # The change is made once: a plain resume goes on with what it finds.
    assert resume(run) == 0
    assert set(rates(run).values()) == {0.003, 0.001}
    assert rates(run)[max(rates(run))] == 0.001
    assert run.rows[:10] == long.rows[:10]
    assert run.metrics["train/loss"] != long.metrics["train/loss"]
    assert run.json("result")["settings"]["optimizer.lr"] == 0.001
    assert not (run.path / "earlier").exists()


def test_settings_that_change_nothing_of_the_training_leave_it_exact(finished, train, at_step):
    at_step(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*CONSTANT, status=130)
    assert resume(run, "data.num_workers=1") == 0
    assert differences(run.metrics, finished[1].metrics) == []
    assert run.json("result")["identity"] == finished[1].json("result")["identity"]


REFUSED = {
    "model.hidden=[8]": "model.hidden=[8]: a run that has begun keeps it. Start another run from its weights: "
    "python -m runner checkpoint=",
    "seed=3": "seed=3: a run that has begun keeps it",
    "data.batch_size=8": "data.batch_size=8: a run that has begun keeps it",
    "optimizer=sgd": "optimizer=sgd: a run that has begun keeps its optimizer",
    "task.label_smoothing=0.1": "keeps it",
    "optimizer.weight_decay=0": "the optimizer's state has another form",
    "trainer.max_epochs=1": "trainer.max_epochs=1: this run has trained for 2 epochs already",
    "trainer.max_epochs=2": "this run has these settings already",
    "trainer.max_epochs=soon": "trainer.max_epochs=soon",
    "optimizer.lr=0.1": "add trainer.max_epochs=3 or more",
    "trainer.max_epoch=3": "Did you mean trainer.max_epochs",
    "optimiser.lr=3": "Did you mean optimizer",
    "optimizer=sdg": "Did you mean sgd",
    "optimizer.lr=0.1,0.2": "several values are a sweep",
    "~scheduler": "keeps its settings",
    "quantization=qat": "quantization=qat: a run that has begun keeps its quantization",
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_change_is_refused_by_name_and_nothing_is_written(change, finished, capsys):
    run = finished[0]
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert resume(run, change) == 2
    assert REFUSED[change] in capsys.readouterr().err
    assert {
        path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"
    } == before


def test_a_run_that_early_stopping_ended_goes_on_with_more_patience(train, capsys):
    early = ("model=mlp", "scheduler=none", "optimizer.lr=0.1", "callbacks=[checkpoint,early_stopping]")
    run = train(*early, "callbacks.early_stopping.patience=1", "trainer.max_epochs=4")
    ended = run.checkpoint()["epoch"] + 1
    assert ended < 4
    assert resume(run, "callbacks.early_stopping.patience=9") == 0
    assert f"epoch {ended}: callbacks.early_stopping.patience 1 to 9" in capsys.readouterr().out
    assert run.checkpoint()["epoch"] + 1 == 4


def test_a_run_that_trained_nothing_has_nothing_to_go_on_with(finished, train, capsys):
    run = train("model=mlp", f"checkpoint={finished[0].path}", "stages=[test]")
    assert resume(run, "trainer.max_epochs=9") == 2
    assert "its stages ['test'] do not use trainer.max_epochs" in capsys.readouterr().err
    assert resume(run, "data.num_workers=1") == 2
    assert "trained nothing that could go on" in capsys.readouterr().err


def test_a_plateau_schedule_keeps_what_it_has_seen(train):
    settings = ("model=mlp", "scheduler=plateau", "scheduler.patience=0", "+scheduler.threshold=0.5")
    run = train(*settings)
    before = run.checkpoint()["lr_schedulers"][0]
    rates_then = [group["lr"] for group in run.checkpoint()["optimizer_states"][0]["param_groups"]]
    assert resume(run, "trainer.max_epochs=4", "optimizer.lr=0.006", "scheduler.patience=3") == 0
    after = run.checkpoint()["lr_schedulers"][0]
    assert (before["patience"], after["patience"]) == (0, 3)
    assert after["last_epoch"] == before["last_epoch"] + 1
    assert torch.tensor(after["_last_lr"]).tolist() == pytest.approx([2 * rate for rate in rates_then])
