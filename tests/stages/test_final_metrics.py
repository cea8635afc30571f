"""What a run ended with is measured on validation data, whatever stages it had, and is what a report ranks it by."""

import json
from pathlib import Path

import pytest

from runner.report.report import build_report
from runner.report.runs import find_runs
from tests.support.runs import Run

# Every validation sample counts, and all of the 88 test samples.
WHOLE = (
    "data=diabetes",
    "trainer.max_epochs=1",
    "trainer.limit_val_batches=1.0",
    "trainer.limit_test_batches=1.0",
    "pruning.fine_tune.epochs=0",
)
PRUNED = ("pruning=magnitude", "pruning.ratio=0.5")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_once) -> Run:
    overrides = [text for text in WHOLE if not text.startswith("pruning")]
    return run_once(tmp_path_factory.mktemp("trained") / "run", *overrides)


@pytest.fixture
def later(train, trained):
    """`later("prune,test", "pruning=magnitude")` does these stages with the trained weights."""

    def call(stages: str, *more: str) -> Run:
        kept = [text for text in WHOLE if PRUNED[0] in more or not text.startswith("pruning")]
        return train(*kept, *more, f"checkpoint={trained.path}", f"stages=[{stages}]")

    return call


def test_a_run_that_only_tests_has_the_validation_metrics_of_the_weights_that_it_was_given(later, trained):
    run = later("test")
    assert run.metrics["test/rmse"] == trained.metrics["test/rmse"]
    assert run.metrics["val/rmse"] == pytest.approx(trained.metrics["val/rmse"], rel=1e-6)
    assert "train/loss" not in run.metrics
    report = build_report(find_runs([run.path]))
    assert report.ranked_by == "val/rmse, of the weights that the runs were given; the lowest first"


@pytest.mark.parametrize(("stages", "tested"), [("prune", False), ("prune,test", True), ("test,prune", False)])
def test_what_a_run_ended_with_is_ranked_whatever_its_stages(stages, tested, later, trained):
    run = later(stages, *PRUNED)
    metrics = run.metrics
    assert ("pruned/rmse" in metrics) == tested
    assert {"pruned/val/rmse", "pruned/val/loss", "baseline/val/rmse"} <= metrics.keys()
    assert metrics["baseline/val/rmse"] == pytest.approx(trained.metrics["val/rmse"], rel=1e-6)
    report = build_report(find_runs([run.path, trained.path]))
    assert (report.metric, report.mode) == ("final/val/rmse", "min")
    values = {row.runs[0].path: row.metrics for row in report.rows}
    assert values[run.path]["final/val/rmse"].mean == metrics["pruned/val/rmse"]
    assert values[trained.path]["final/val/rmse"].mean == trained.metrics["val/rmse"]
    # The test of the dense network says nothing about what was made of it.
    assert ("final/rmse" in values[run.path]) == tested
    if tested:
        assert values[run.path]["final/rmse"].mean == metrics["pruned/rmse"]


def test_without_validation_data_what_was_measured_instead_is_named(train):
    folds = ("cross_validation.folds=2", "stages=[fit,prune]")
    run = train(*WHOLE, *PRUNED, *folds)
    assert "pruned/train/rmse" in run.metrics and "pruned/val/rmse" not in run.metrics
    assert "baseline/train/rmse" in run.metrics
    report = build_report(find_runs([run.path]))
    words = "final/train/rmse, on training data, as no run measured validation data; the lowest first"
    assert report.ranked_by == words


def test_as_many_samples_are_counted_as_were_tested(trained, later):
    assert trained.metrics["data/tested_samples"] == 88
    assert later("test", "trainer.limit_test_batches=1", "data.batch_size=16").metrics["data/tested_samples"] == 16


def test_stages_that_were_put_off_are_done_when_the_run_is_resumed(train, trained, tmp_path, monkeypatch):
    from runner.cli.main import main

    monkeypatch.chdir(tmp_path)

    overrides = [text for text in WHOLE if not text.startswith("pruning")]
    run = train(*overrides, "runner.hold=[test]")
    assert run.json("status")["held"] == ["test"]
    assert run.json("result")["identity"] == trained.json("result")["identity"]
    assert not [name for name in run.metrics if name.startswith("test/")]
    assert main(["resume", str(run.path)]) == 0
    assert run.metrics == trained.metrics
    assert main(["reproduce", str(run.path)]) == 0  # all that it came to, its test included
    assert json.loads((Path(run.path) / "status.json").read_text())["held"] == []
