"""Searches: the space is the one asked for, the best settings can be run again, hopeless runs are stopped."""

import json
import threading

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from runner.cli.main import main
from runner.config import overrides
from runner.errors import RunnerError
from runner.sweep.best import experiment
from runner.sweep.search import Search
from runner.sweep.space import corners, distributions, texts_of

SPACE = "optimizer.lr=tag(log,interval(1e-3,1e-1))"


def parsed(*texts):
    values, mistakes = overrides.parse(texts)
    assert not mistakes
    return values


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("lr=interval(0.1,0.5)", FloatDistribution(0.1, 0.5)),
        ("lr=tag(log,interval(1e-4,1e-1))", FloatDistribution(1e-4, 1e-1, log=True)),
        ("size=int(interval(8,64))", IntDistribution(8, 64)),
        ("size=int(tag(log,interval(8,64)))", IntDistribution(8, 64, log=True)),
        ("size=range(8,65,8)", IntDistribution(8, 64, step=8)),
        ("size=choice(8,16)", CategoricalDistribution(("8", "16"))),
        ("name=a,b", CategoricalDistribution(("a", "b"))),
    ],
)
def test_values_of_the_command_line_become_distributions(text, distribution):
    (key,) = distributions(parsed(text), {}).items()
    assert key == (text.partition("=")[0], distribution)


@pytest.mark.parametrize("text", ["lr=interval(0.5,0.1)", "lr=tag(log,interval(0,1))"])
def test_a_range_that_optuna_refuses_is_named(text):
    with pytest.raises(RunnerError, match=r"lr=.*Optuna refuses this range"):
        distributions(parsed(text), {})


def test_nothing_to_search_is_an_error():
    with pytest.raises(RunnerError, match="nothing to search"):
        distributions([], {})


def test_every_end_of_every_range_is_composed_before_the_first_run():
    space = {"a": FloatDistribution(0, 1), "b": CategoricalDistribution(("x", "y", "z"))}
    points = corners(space)
    assert {point["a"] for point in points} == {0, 1}
    assert {point["b"] for point in points} == {"x", "y", "z"}


def test_sampled_values_keep_every_digit_as_overrides():
    (text,) = texts_of({"lr": 0.1 + 0.2})
    assert parsed(text)[0].value == 0.1 + 0.2


@pytest.fixture
def search(sweep):
    """`search(n)` searches the learning rate of the line with n trials in all."""

    def call(trials, *more):
        return sweep("sweep=search", SPACE, "data.batch_size=3", f"sweep.search.trials={trials}", *more)

    return call


def test_a_search_ends_in_an_experiment_that_repeats_its_best_run(search, jobs, tmp_path, capsys):
    assert search(4) == 0
    output = capsys.readouterr().out
    assert len(jobs()) == 4
    values = [json.loads((tmp_path / path).read_text()) for path in tmp_path.rglob("result.json")]
    best = min(values, key=lambda each: each["metrics"]["val/rmse"])
    assert f"Best: val/rmse {best['metrics']['val/rmse']:.4g}" in output
    (command,) = [line.partition("python -m runner ")[2] for line in output.splitlines() if "Run it again" in line]
    assert main([*command.split(), f"hydra.run.dir={tmp_path / 'again'}"]) == 0
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    assert again["metrics"] == best["metrics"]


def test_a_search_goes_on_to_a_larger_number_of_trials(search, jobs, tmp_path):
    place = f"hydra.sweep.dir={tmp_path / 'place'}"
    assert search(2, place) == 0
    before = [job["overrides"] for job in jobs()]
    assert search(3, place) == 0
    assert [job["overrides"] for job in jobs()][:2] == before
    assert len(jobs()) == 3


def test_a_mistake_in_the_space_is_found_before_the_first_run(sweep, capsys, tmp_path):
    assert sweep("sweep=search", "optimizer.lr=interval(-1,1)", "data.batch_size=3") == 2
    assert "optimizer.lr=-1" in capsys.readouterr().err
    assert not list(tmp_path.rglob("result.json"))


def study_of_five() -> optuna.Study:
    """Five complete trials, with losses 0 to 4 after two epochs; what is worse than their median is stopped."""
    study = optuna.create_study(direction="minimize", pruner=optuna.pruners.MedianPruner(5, 1))
    for value in range(5):
        trial = study.ask({})
        trial.report(value, 2)
        study.tell(trial, value)
    return study


def test_a_run_below_the_median_of_earlier_ones_is_asked_to_stop(tmp_path):
    """Watches a running trial whose loss is worse than that of five complete ones at the same epoch."""
    study = study_of_five()
    searching = Search.__new__(Search)
    searching.settings, searching.monitor = {"prune": True}, "val/loss"
    searching.reported, searching.lock = set(), threading.Lock()
    searching.record = type("Record", (), {"directory": staticmethod(lambda number: tmp_path / str(number))})()
    hopeful, hopeless = study.ask({}), study.ask({})
    searching.trials = {hopeful.number: hopeful, hopeless.number: hopeless}
    for trial, loss in ((hopeful, 0.5), (hopeless, 9.0)):
        folder = tmp_path / str(trial.number)
        folder.mkdir()
        (folder / "metrics.csv").write_text(f"step,epoch,metric,value\n5,0,val/loss,{loss}\n9,1,val/loss,{loss}\n")
    searching.watch()
    assert not (tmp_path / str(hopeful.number) / "stop_request").exists()
    assert "val/loss 9 after 2 epochs" in (tmp_path / str(hopeless.number) / "stop_request").read_text()


def test_a_trial_with_folds_is_judged_by_the_mean_over_those_that_are_done(tmp_path):
    study = study_of_five()
    searching = Search.__new__(Search)
    searching.settings, searching.monitor, searching.folds = {"prune": True}, "val/loss", 3
    searching.reported, searching.lock = set(), threading.Lock()
    searching.record = type("Record", (), {"directory": staticmethod(lambda number: tmp_path / str(number))})()
    hopeful, hopeless, waiting = (study.ask({}) for _ in range(3))
    searching.trials = {each.number: each for each in (hopeful, hopeless, waiting)}
    for trial, losses in ((hopeful, (0.5, 0.75)), (hopeless, (1.0, 9.0)), (waiting, ())):
        folder = tmp_path / str(trial.number)
        folder.mkdir()
        (folder / "cross_validation.json").write_text(json.dumps([{"val/loss": loss} for loss in losses]))
    searching.watch()
    requests = {each.number: (tmp_path / str(each.number) / "stop_request") for each in searching.trials.values()}
    assert not requests[hopeful.number].exists() and not requests[waiting.number].exists()
    assert requests[hopeless.number].read_text() == "hopeless: val/loss 5 after 2 folds"
    assert searching.steps(hopeful.number) == {1: 0.5, 2: 0.625}


def test_a_trial_that_was_made_smaller_is_judged_by_what_it_ended_with():
    status = {"metrics": {"val/accuracy": 0.9, "pruned/val/accuracy": 0.7, "pruned/accuracy": 0.8}}
    searching = Search.__new__(Search)
    searching.monitor = "val/accuracy"
    searching.record = type("Record", (), {"status": staticmethod(lambda number: status)})()
    assert searching.outcome(0) == ("pruned/val/accuracy", 0.7)
    status["metrics"] = {"train/accuracy": 0.9}
    assert searching.outcome(0) == ("val/accuracy", None)


def test_a_run_that_is_asked_to_stop_trains_no_further_and_is_tested(tmp_path, monkeypatch):
    from runner.tracking import run_directory

    begin = run_directory.begin

    def asked(path, *arguments):
        begin(path, *arguments)
        (path / "stop_request").write_text("hopeless")

    monkeypatch.setattr(run_directory, "begin", asked)
    overrides = ["experiment=linear_regression", "trainer.check_val_every_n_epoch=2", "trainer=cpu", "logger=csv"]
    assert main([*overrides, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert max(int(row.split(",")[1]) for row in rows[1:] if row.split(",")[1]) == 1
    assert json.loads((tmp_path / "run" / "status.json").read_text())["stopped"] == "hopeless"
    assert "test/mse" in json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]


def test_the_best_settings_become_choices_and_nested_keys():
    known = {"model": {"mlp": None}, "callbacks": {"ema": None}, "experiment": {"base": None}}
    texts = ["experiment=base", "model=mlp", "optimizer.lr=0.1", "task.label_smoothing=0.2", "seed=3"]
    text = experiment(texts, known, "python -m runner experiment=best", "val/accuracy 0.9")
    lines = text.splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[2] == "# python -m runner experiment=best"
    assert yaml.safe_load(text) == {
        "defaults": [{"/experiment@_global_": "base"}, {"override /model": "mlp"}],
        "optimizer": {"lr": 0.1},
        "task": {"label_smoothing": 0.2},
        "seed": 3,
    }
