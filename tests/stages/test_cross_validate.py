"""Cross-validation: folds that never see the test, one training on all the rest, statistics that add up."""

import os
import signal
import statistics

import pytest

from runner.cli.main import main
from runner.data.module import DataModule
from runner.tasks.base import Task
from tests.support.runs import Run, assert_same_run

# All that is in a fold matters here: no limits on batches. Standardized by what it trains on.
THREE_FOLDS = (
    "data=diabetes",
    "cross_validation.folds=3",
    "trainer.max_epochs=2",
    "trainer.limit_train_batches=1.0",
    "trainer.limit_val_batches=1.0",
    "trainer.limit_test_batches=1.0",
)
# 354 samples beside the test: 236 in two folds, 8 batches of 32 an epoch.
STEPS_A_FOLD = 16


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_once) -> Run:
    return run_once(tmp_path_factory.mktemp("folds") / "run", *THREE_FOLDS)


def test_mean_and_deviation_are_those_of_the_folds(whole):
    folds = whole.json("cross_validation")
    assert len(folds) == 3
    assert folds[0] != folds[1]
    for name in folds[0]:
        values = [fold[name] for fold in folds]
        assert whole.metrics[f"cross_validation/{name}/mean"] == statistics.fmean(values)
        assert whole.metrics[f"cross_validation/{name}/std"] == statistics.stdev(values)
    assert "val/rmse" in folds[0]
    assert not [name for name in whole.metrics if name.startswith("val/")], "the last training validates nothing"
    assert "test/rmse" in whole.metrics


def test_no_fold_sees_the_test_and_the_last_training_sees_all_the_rest(train, monkeypatch):
    seen: list[dict[str, set[int]]] = []
    epoch_start = Task.on_train_start

    def on_train_start(task: Task) -> None:
        splits = task.trainer.datamodule.splits
        seen.append({name: set(samples.indices.tolist()) for name, samples in splits.items()})
        epoch_start(task)

    monkeypatch.setattr(Task, "on_train_start", on_train_start)
    train(*THREE_FOLDS, "trainer.max_epochs=1")
    *folds, last = seen
    assert len(folds) == 3
    everything = set(range(442))
    for fold in folds:
        assert fold["train"] | fold["val"] | fold["test"] == everything
        assert not fold["train"] & fold["val"]
        assert not (fold["train"] | fold["val"]) & fold["test"]
        assert fold["test"] == last["test"]
    assert set.union(*(fold["val"] for fold in folds)) == everything - last["test"]
    assert last["train"] == everything - last["test"]
    assert last["val"] == set()


@pytest.mark.parametrize(
    ("step", "folds"), [(5, 0), (STEPS_A_FOLD + 5, 1), (3 * STEPS_A_FOLD + 5, 3)], ids=["first", "second", "last"]
)
def test_an_interrupted_run_goes_on_with_the_fold_it_was_in(step, folds, whole, train, at_step, monkeypatch):
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*THREE_FOLDS, status=130)
    path = run.path / "cross_validation.json"
    assert (len(run.json("cross_validation")) if path.exists() else 0) == folds
    repeated = []
    use_fold = DataModule.use_fold
    monkeypatch.setattr(
        DataModule, "use_fold", lambda data, index, folds: (repeated.append(index), use_fold(data, index, folds))
    )
    assert main(["resume", str(run.path)]) == 0
    assert repeated == list(range(folds, 3))
    assert_same_run(whole, run)


def test_interrupted_in_its_test_it_is_tested_with_the_standardization_of_the_last_training(whole, train, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Task, "test_step", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        run = train(*THREE_FOLDS, status=143)
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole, run)
    again = train("data=diabetes", "trainer.limit_test_batches=1.0", "stages=[test]", f"checkpoint={run.path}")
    assert again.metrics["test/rmse"] == whole.metrics["test/rmse"]


def test_a_run_that_is_asked_to_stop_trains_no_further_fold_and_has_the_mean_of_those_that_are_done(train, monkeypatch):
    from runner.stages import cross_validate

    asked = iter([None, "hopeless"])
    monkeypatch.setattr(cross_validate, "stop_requested", lambda path: next(asked))
    run = train(*THREE_FOLDS, "stages=[cross_validate]", "trainer.max_epochs=1")
    folds = run.json("cross_validation")
    assert len(folds) == 2
    assert run.metrics["cross_validation/val/rmse/mean"] == statistics.fmean(fold["val/rmse"] for fold in folds)
    assert run.json("status")["stopped"] == "hopeless"
