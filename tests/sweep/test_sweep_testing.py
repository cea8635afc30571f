"""Which runs of a sweep are tested: all, or only the winner, once, after everything was chosen on validation data."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.cli.main import main
from runner.config import overrides, plugins
from runner.config.compose import compose
from runner.sweep.execution import Execution
from runner.sweep.jobs import Planner
from runner.sweep.plan import plan
from runner.sweep.record import Sweep
from runner.sweep.testing import best_row, held_stages
from runner.tracking.identity import identity
from tests.support.written_runs import writer

LINEAR = ["runner.plugins=[mine]", "data=line", "model=linear"]
RATES = "optimizer.lr=0.01,0.1"


@dataclass(frozen=True)
class Told:
    """What two files of a run say."""

    result: dict
    status: dict

    @property
    def metrics(self) -> dict[str, float]:
        return self.result["metrics"]

    @property
    def tested(self) -> bool:
        return "test/rmse" in self.metrics


def runs(place: Path) -> list[Told]:
    paths = sorted(place.glob("[0-9]*"), key=lambda path: path.name)
    return [Told(*(json.loads((path / f"{name}.json").read_text()) for name in ("result", "status"))) for path in paths]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> list[Told]:
    """The runs of a grid of two rates, each of them tested."""
    place = tmp_path_factory.mktemp("plain") / "sweep"
    texts = ("experiment=linear_regression", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=1", "trainer=cpu")
    assert main(["-m", *texts, "logger=csv", RATES, f"hydra.sweep.dir={place}"]) == 0
    return runs(place)


def test_every_run_of_a_grid_is_tested_unless_asked(plain):
    assert [run.tested for run in plain] == [True, True]
    assert [run.status.get("held") for run in plain] == [None, None]


def test_only_the_winner_is_tested_and_the_same_command_tests_no_other(sweep, tmp_path, plain, capsys):
    place = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    assert sweep(RATES, "sweep.test=winner", place) == 0
    done = runs(tmp_path / "sweep")
    best = min((0, 1), key=lambda number: done[number].metrics["val/rmse"])
    assert [run.tested for run in done] == [number == best for number in (0, 1)]
    assert [run.status["held"] for run in done] == [[] if number == best else ["test"] for number in (0, 1)]
    said = capsys.readouterr().out
    assert f"Winner: run {best} (optimizer.lr={(0.01, 0.1)[best]}), ranked by val/rmse, the best checkpoint's" in said
    assert "1 run is not tested, as the sweep asked; to do it: python -m runner resume DIRECTORY." in said
    # Tested or not, it is the same experiment, and comes out the same.
    assert [run.result["identity"] for run in done] == [run.result["identity"] for run in plain]
    assert done[best].metrics == plain[best].metrics
    assert done[1 - best].metrics.items() <= plain[1 - best].metrics.items()
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))]
    assert sweep(RATES, "sweep.test=winner", place) == 0
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))] == before
    assert sweep(RATES, "sweep.test=all", place) == 0
    assert [run.metrics for run in runs(tmp_path / "sweep")] == [run.metrics for run in plain]


def test_nothing_is_tested_where_nothing_is_to_be_and_a_run_is_resumed_to_be_tested(sweep, tmp_path, plain, capsys):
    place = tmp_path / "sweep"
    assert sweep(RATES, "sweep.test=none", f"hydra.sweep.dir={place}") == 0
    assert [run.tested for run in runs(place)] == [False, False]
    assert "Winner" not in capsys.readouterr().out
    assert main(["resume", str(place / "1")]) == 0
    assert runs(place)[1].metrics == plain[1].metrics
    assert main(["resume", str(place / "1")]) == 2
    assert "this run is finished" in capsys.readouterr().err


def test_a_winner_whose_test_failed_stays_the_winner_and_is_tested_at_the_next_try(sweep, tmp_path, plain, monkeypatch):
    from runner.stages import fit, test

    def broken(*_):
        raise OSError("the disk is full")

    place, kept = tmp_path / "sweep", "callbacks.checkpoint.every_n_epochs=1"
    texts = (RATES, kept, "sweep.test=winner", f"hydra.sweep.dir={place}")
    with monkeypatch.context() as patch:
        patch.setattr(test, "test", broken)
        assert sweep(*texts) == 1
    assert sweep(*texts) == 1
    assert [run.tested for run in runs(place)] == [False, False]
    monkeypatch.setattr(fit, "fit", broken)  # what is trained is not trained again
    assert sweep(*texts, "sweep.retry_failed=true") == 0
    best = min((0, 1), key=lambda number: plain[number].metrics["val/rmse"])
    assert [run.tested for run in runs(place)] == [number == best for number in (0, 1)]
    assert runs(place)[best].metrics == plain[best].metrics


def test_a_search_over_folds_is_judged_by_their_mean_and_retrains_and_tests_its_winner_alone(tmp_path, capsys):
    texts = ("data=diabetes", "trainer.max_epochs=1", "trainer=cpu", "logger=csv", "cross_validation.folds=2")
    space, place = ("optimizer.lr=0.001,0.1", "data.batch_size=177"), tmp_path / "sweep"
    options = ("sweep=search", "sweep.search.trials=3", f"hydra.sweep.dir={place}")
    assert main(["-m", *texts, *space, *options]) == 0
    done = runs(place)
    means = [run.metrics["cross_validation/val/rmse/mean"] for run in done]
    best = means.index(min(means))
    assert f"Best: cross_validation/val/rmse/mean {min(means):.4g} in run {best}" in capsys.readouterr().out
    assert [run.tested for run in done] == [number == best for number in range(3)]
    others = [run for number, run in enumerate(done) if number != best]
    assert all(run.status["done"] == ["cross_validate"] and run.status["held"] == ["fit", "test"] for run in others)
    assert done[best].status["done"] == ["cross_validate", "fit", "test"]
    alone = tmp_path / "alone"
    (text,) = json.loads((place / "sweep.json").read_text())["jobs"][best]["differs"]
    assert main([*texts, text, "data.batch_size=177", f"hydra.run.dir={alone}"]) == 0
    assert json.loads((alone / "result.json").read_text())["metrics"] == done[best].metrics


def test_a_search_without_validation_data_is_refused_before_its_first_run(sweep, tmp_path, capsys):
    assert main(["-m", "data=digits", "sweep=search", "optimizer.lr=0.1,0.2", "data.validation_fraction=0"]) == 2
    assert "data.validation_fraction=0 leaves no validation data" in capsys.readouterr().err
    assert not list(tmp_path.rglob("sweep.json"))


@pytest.mark.parametrize(
    ("stages", "folds", "held"),
    [
        (["fit", "test"], 0, ["test"]),
        (["fit", "test", "compress", "test", "benchmark"], 0, ["test"]),
        (["fit", "test", "predict"], 0, ["test", "predict"]),
        (["fit"], 0, []),
        (["fit", "test", "compress", "test"], 5, ["fit", "test", "compress"]),
        (["cross_validate"], 5, []),
        (["compress", "test"], 5, ["test"]),
    ],
)
def test_what_looks_at_test_data_is_put_off_and_with_folds_all_that_comes_after_them(stages, folds, held):
    assert held_stages({"stages": stages, "cross_validation": {"folds": folds}}, needed=False) == held


def test_a_run_whose_weights_another_one_needs_is_trained_although_it_has_folds(tmp_path):
    texts = ["model=mlp", "cross_validation.folds=5", "sweep.train_once=true", "sweep.grid=['pruning=channel']"]
    planned = plan([*texts, "sweep.test=winner"], None)
    execution = Execution(planned, Sweep(tmp_path, []), None)
    execution.take(planned.jobs)
    first, second = (" ".join(execution.work(job).arguments) for job in planned.jobs)
    assert "runner.hold=[test]" in first
    assert "runner.hold=[fit," in second


@pytest.mark.parametrize(
    ("mode", "status", "go_on", "arguments"),
    [
        ("all", None, False, [*LINEAR, "hydra.run.dir={}"]),
        ("winner", None, False, [*LINEAR, "runner.hold=[test]", "hydra.run.dir={}"]),
        # Ended before its config.yaml was written, which is where a run begins.
        ("all", {"state": "starting"}, False, [*LINEAR, "hydra.run.dir={}"]),
        ("winner", {"state": "interrupted"}, False, ["resume", "{}", "runner.plugins=[mine]"]),
        ("winner", {"state": "done", "held": ["test"]}, True, ["resume", "{}", "runner.plugins=[mine]"]),
    ],
)
def test_a_launcher_is_told_what_is_put_off_and_what_is_gone_on_with(mode, status, go_on, arguments, tmp_path):
    plugins.enable(["runner.plugins=[mine]"])
    composed = compose(LINEAR)
    one = Planner(None).job(0, overrides.parse(LINEAR)[0], ())
    execution = Execution(SimpleNamespace(sweep={"test": mode}, config_dir=None), Sweep(tmp_path, []), None)
    execution.jobs[0] = one
    if status is not None:
        (tmp_path / "0").mkdir()
        (tmp_path / "0" / "status.json").write_text(json.dumps(status))
        if status["state"] != "starting":
            (tmp_path / "0" / "config.yaml").write_text("name: x\n")
    work = execution.work(one, go_on=go_on)
    assert work.arguments == [each.format(tmp_path / "0") for each in arguments]
    if work.composed is not None:
        assert list(work.composed.config.runner.hold) == ([] if mode == "all" else ["test"])
        assert identity(work.composed.plain) == identity(composed.plain)


def test_the_winner_is_every_seed_of_the_best_settings(tmp_path):
    write = writer(tmp_path)
    for model, value in (("cnn", 0.8), ("mlp", 0.9)):
        for seed in (1, 2):
            write(model=model, seed=seed, metrics={"val/accuracy": value - seed / 100})
    directories = {number: tmp_path / str(number) for number in range(4)}
    assert best_row(directories) == ([2, 3], "val/accuracy, the best checkpoint's; the highest first")
    write(metrics={}, place="nothing")
    assert best_row({0: tmp_path / "nothing"}) == ([], "")
    assert best_row({0: tmp_path / "absent"}) == ([], "")
