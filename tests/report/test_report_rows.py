"""Rows: runs that differ in their seed are one row with statistics, the best row is the first."""

from math import sqrt
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.report.quantities import heading, is_cost
from runner.report.report import build_report
from runner.report.runs import find_runs
from tests.support.written_runs import Write, status_writer, writer


@pytest.fixture
def write(tmp_path) -> Write:
    return writer(tmp_path / "runs")


@pytest.fixture
def write_status(tmp_path) -> Write:
    return status_writer(tmp_path / "runs")


@pytest.fixture
def grid(write) -> Path:
    """Two networks with two seeds each: cnn reaches 0.8 and 0.6, mlp 0.9 and 0.7, and has the higher loss.

    On test data cnn is 0.3 better than on validation data, and so the better one.
    """
    for model, values, loss, more in (("cnn", (0.8, 0.6), 0.5, 0.3), ("mlp", (0.9, 0.7), 1.5, 0.0)):
        for seed, value in enumerate(values, 1):
            metrics = {"test/accuracy": value + more, "test/loss": loss, "val/accuracy": value, "val/loss": loss}
            path = write(model=model, seed=seed, metrics=metrics)
    return path.parent


def values(report, metric="test/accuracy"):
    return [row.metrics[metric].mean if metric in row.metrics else None for row in report.rows]


def test_seeds_are_one_row_with_mean_deviation_and_interval(grid):
    report = build_report(find_runs([grid]))
    assert [row.settings for row in report.rows] == [{"model": "mlp"}, {"model": "cnn"}]
    best = report.rows[0].metrics["test/accuracy"]
    assert (best.mean, best.count) == (pytest.approx(0.8), 2)
    assert best.std == pytest.approx(sqrt(0.02))
    assert best.high - best.mean == pytest.approx(12.7062047362 * 0.1)
    assert report.ranked_by == "val/accuracy, the best checkpoint's; the highest first"
    assert [[run.settings["seed"] for run in row.runs] for row in report.rows] == [[1, 2], [1, 2]]
    assert (report.metric, report.mode, report.columns) == ("val/accuracy", "max", ["model"])


def test_without_grouping_each_run_is_a_row_and_the_seed_a_column(grid):
    report = build_report(find_runs([grid]), group=False)
    assert [tuple(row.settings.values()) for row in report.rows] == [("mlp", 1), ("cnn", 1), ("mlp", 2), ("cnn", 2)]
    assert report.columns == ["model", "seed"]


def test_the_seed_is_a_column_where_every_row_has_another_one(write):
    runs = find_runs([write(model="cnn", seed=1), write(model="mlp", seed=2)])
    assert build_report(runs).columns == ["model", "seed"]
    assert build_report(runs, columns=["model"]).columns == ["model"]


def test_seeds_in_a_different_number_for_each_row_are_counted(write):
    for seed in (1, 2, 3):
        write(seed=seed, metrics={"test/accuracy": 0.5} if seed < 3 else {})
    path = write(model="mlp")
    report = build_report(find_runs([path.parent]))
    counts = {row.settings["model"]: row.metrics["test/accuracy"].count for row in report.rows}
    assert counts == {"cnn": 2, "mlp": 1}


def test_a_repeated_run_does_not_count_twice(write):
    older, newer = write(metrics={"test/accuracy": 0.5}), write(metrics={"test/accuracy": 0.7})
    write(seed=2, metrics={"test/accuracy": 0.9})
    report = build_report(find_runs([older.parent]))
    assert [run.path for run in report.repeats] == [older]
    assert report.rows[0].runs[0].path == newer
    assert values(report) == [pytest.approx(0.8)]
    assert len(build_report(find_runs([older.parent]), group=False).rows) == 3


def test_a_lower_loss_is_better(grid):
    report = build_report(find_runs([grid]), metric="test/loss")
    assert (report.mode, values(report, "test/loss")) == ("min", [0.5, 1.5])
    assert report.metrics[0] == "test/loss"


def test_the_direction_can_be_said(grid):
    report = build_report(find_runs([grid]), metric="test/loss:max")
    assert (report.mode, values(report, "test/loss")) == ("max", [1.5, 0.5])


def test_a_metric_has_the_direction_of_the_monitored_one(write):
    monitor = {"task.monitor": "val/hamming", "task.monitor_mode": "min"}
    runs = [write(seed=1, metrics={"test/hamming": value}, settings=monitor | {"a": value}) for value in (0.3, 0.1)]
    report = build_report(find_runs(runs))
    assert (report.metric, report.mode, values(report, "test/hamming")) == ("test/hamming", "min", [0.1, 0.3])


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"val/accuracy": 1, "test/accuracy": 1}, "val/accuracy"),
        ({"val/accuracy": 1, "test/f1": 1}, "val/accuracy"),
        ({"val/f1": 1, "test/accuracy": 1}, "val/f1"),
        ({"cross_validation/val/accuracy/mean": 1, "test/accuracy": 1}, "cross_validation/val/accuracy/mean"),
        ({"val/accuracy": 1, "compressed/val/accuracy": 1, "compressed/accuracy": 1}, "final/val/accuracy"),
        ({"val/accuracy": 1, "test/accuracy": 1, "compressed/accuracy": 1}, "final/accuracy"),
        ({"compressed/train/accuracy": 1, "compressed/accuracy": 1}, "final/train/accuracy"),
        ({"overfit/first_loss": 1, "overfit/last_loss": 1}, "overfit/last_loss"),
        ({"test/f1": 1, "test/loss": 1}, "test/f1"),
        ({"test/f1": 1, "test/accuracy": 1}, "test/accuracy"),
        ({"train/loss": 1}, "train/loss"),
    ],
)
def test_runs_are_ranked_by_validation_data_and_by_test_data_only_where_there_is_no_other(write, metrics, expected):
    assert build_report(find_runs([write(metrics=metrics)])).metric == expected


def test_runs_without_the_metric_come_last(write):
    for value in (None, 0.3, 0.6):
        path = write(settings={"a": value}, metrics={"test/accuracy": value, "test/f1": 0.1})
    assert values(build_report(find_runs([path.parent]))) == [0.6, 0.3, None]


def test_rows_are_ordered_by_what_the_networks_reach_in_the_end(write):
    for name, value in (("static", 0.7), ("qat", 0.9), ("none", None)):
        metrics = {"test/accuracy": 0.95, "compressed/accuracy": value, "benchmark/int8/latency_ms/batch_1": 2.0}
        metrics["benchmark/compiled/latency_ms/batch_1"] = 3.0
        sizes = {"int8_program": {"path": "a", "bytes": 10}, "figure": {"path": "b", "bytes": 99}}
        path = write(settings={"recipe": name}, metrics=metrics, artifacts=sizes)
    report = build_report(find_runs([path.parent]))
    assert [row.settings["recipe"] for row in report.rows] == ["none", "qat", "static"]
    shown = ["final/accuracy", "test/accuracy", "benchmark/int8/latency_ms/batch_1", "bytes/int8_program"]
    assert report.metrics == shown


def test_of_equal_rows_the_faster_one_comes_first(write):
    for name, latency in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        metrics = {"test/accuracy": 0.5, "benchmark/int8/latency_ms/batch_1": latency}
        path = write(settings={"recipe": name}, metrics=metrics)
    report = build_report(find_runs([path.parent]))
    assert [row.settings["recipe"] for row in report.rows] == ["b", "c", "a"]


def test_the_compiled_program_is_timed_where_nothing_was_compressed(write):
    names = [f"benchmark/{name}/latency_ms/batch_{batch}" for name in ("eager", "compiled") for batch in (16, 1)]
    report = build_report(find_runs([write(metrics={"test/accuracy": 1.0} | dict.fromkeys(names, 1.0))]))
    wanted = ["benchmark/compiled/latency_ms/batch_1", "benchmark/compiled/latency_ms/batch_16"]
    assert report.metrics == ["test/accuracy", *wanted]


def test_parameters_and_seconds_are_shown_where_they_differ(write):
    paths = [write(model=model, parameters=number) for model, number in (("cnn", 10), ("mlp", 20))]
    assert build_report(find_runs(paths)).metrics == ["val/accuracy", "test/accuracy", "parameters"]


def test_others_are_kept_apart(write, write_status):
    path = write()
    write_status("dead", state="running", pid=2**22 + 1)
    report = build_report(find_runs([path.parent]))
    assert len(report.rows) == 1
    assert [(run.path.name, run.state) for run in report.others] == [("dead", "died")]


def test_a_report_without_any_result_has_no_rows(write_status):
    report = build_report(find_runs([write_status("a", state="failed")]), metric="test/accuracy")
    assert (report.rows, report.metric, len(report.others)) == ([], "test/accuracy", 1)


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["model=cnn"], {"cnn1", "cnn2"}),
        (["model!=cnn"], {"mlp1", "mlp2"}),
        (["model=cnn", "seed=2"], {"cnn2"}),
        (["val/accuracy>0.7"], {"cnn1", "mlp1"}),
        (["val/accuracy >= 0.7"], {"cnn1", "mlp1", "mlp2"}),
        (["test/loss<1"], {"cnn1", "cnn2"}),
        (["test/loss<=0.5"], {"cnn1", "cnn2"}),
        (["optimizer.lr=1e-2"], {"cnn1", "cnn2", "mlp1", "mlp2"}),
        (["lr==0.01"], {"cnn1", "cnn2", "mlp1", "mlp2"}),
        (["model.hidden=[64,32]"], {"mlp1", "mlp2"}),
        (["model.hidden!=[64,32]"], {"cnn1", "cnn2"}),
        (["model.hidden>3"], set()),
        (["name = 'mlp-digits'"], {"mlp1", "mlp2"}),
    ],
)
def test_conditions_choose_runs(grid, conditions, kept):
    report = build_report(find_runs([grid]), where=conditions, group=False)
    assert {f"{run.choices['model']}{run.settings['seed']}" for row in report.rows for run in row.runs} == kept


def test_conditions_choose_among_the_others_too_but_drop_none_that_is_unknown(write, write_status):
    path = write(seed=3)
    write_status("four", state="failed")
    damaged = write_status("damaged", state="failed")
    (damaged / "result.json").write_text("{")
    (damaged / "config.yaml").unlink()
    report = build_report(find_runs([path.parent]), where=["seed=1"])
    assert [run.path.name for run in report.others] == ["damaged"]


def test_the_best_of_each_value(grid):
    report = build_report(find_runs([grid]), best_per="model", group=False)
    assert [(row.settings["model"], row.settings["seed"]) for row in report.rows] == [("mlp", 1), ("cnn", 1)]


def test_columns_are_those_asked_for(grid):
    report = build_report(find_runs([grid]), columns=["lr", "val/loss"])
    assert (report.columns, report.metrics) == (["optimizer.lr"], ["val/accuracy", "val/loss"])
    assert [row.settings for row in report.rows] == [{"optimizer.lr": 0.01}] * 2
    only_settings = build_report(find_runs([grid]), columns=["seed"])
    assert only_settings.metrics[:2] == ["val/accuracy", "test/accuracy"]
    assert [row.settings for row in only_settings.rows] == [{}, {}]  # each row has several seeds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"where": ["modl=cnn"]}, r"--where modl: no run has it\. Did you mean model"),
        ({"where": ["model"]}, r"--where model: not a condition\. Write NAME=VALUE"),
        ({"where": ["seed>many"]}, r"--where seed>many: many is no number"),
        ({"where": ["loss>1"]}, r"--where loss: could be test/loss, val/loss; write it in full"),
        ({"columns": ["modl"]}, r"--columns modl: no run has it\. Did you mean model"),
        ({"metric": "test/acuracy"}, r"--metric test/acuracy: no run has it\. Did you mean test/accuracy"),
        ({"metric": "model"}, r"--metric model: no run has it"),
        ({"metric": "test/loss:best"}, r"--metric test/loss:best: write test/loss:max or test/loss:min"),
        ({"best_per": "modl"}, r"--best-per modl: no run has it\. Did you mean model"),
    ],
)
def test_what_no_run_has_is_named(grid, options, words):
    with pytest.raises(RunnerError, match=words):
        build_report(find_runs([grid]), **options)


def test_all_mistakes_are_named_at_once(grid):
    with pytest.raises(RunnerError, match=r"(?s)^3 things to mend:.*--where x:.*--columns y:.*--metric z:"):
        build_report(find_runs([grid]), where=["x=1"], columns=["y"], metric="z")


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("test/loss", True),
        ("test/rmse", True),
        ("benchmark/int8/latency_ms/batch_16", True),
        ("benchmark/int8/working_memory_bytes/batch_1", True),
        ("bytes/int8_program", True),
        ("seconds/total", True),
        ("finetune/step_seconds", True),
        ("finetune/trainable_share", True),
        ("test/accuracy", False),
        ("test/r2", False),
        ("compressed/lossless_share", False),
    ],
)
def test_costs_are_known_by_their_names(name, cost):
    assert is_cost(name) == cost


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test/accuracy", "test/accuracy"),
        ("benchmark/int8/latency_ms/batch_16", "int8 ms, batch 16"),
        ("bytes/int8_program", "int8_program bytes"),
        ("seconds/total", "seconds"),
        ("seconds/fit", "fit seconds"),
        ("finetune/trainable_share", "trained share"),
    ],
)
def test_heads_of_columns_are_short(name, expected):
    assert heading(name) == expected


def test_networks_pruned_here_and_quantized_there_are_compared_by_what_they_ended_with(write):
    for name, metrics in {
        "dense": {"test/accuracy": 0.9},
        "pruned": {"test/accuracy": 0.9, "pruned/accuracy": 0.8},
        "both": {"test/accuracy": 0.9, "pruned/accuracy": 0.8, "compressed/accuracy": 0.85},
    }.items():
        path = write(settings={"recipe": name}, metrics=metrics)
    report = build_report(find_runs([path.parent]))
    assert report.metric == "final/accuracy"
    assert [(row.settings["recipe"], row.metrics["final/accuracy"].mean) for row in report.rows] == [
        ("dense", 0.9),
        ("both", 0.85),
        ("pruned", 0.8),
    ]


def test_the_test_set_decides_nothing_not_even_between_equals(write):
    for name, val, test in (("a", 0.8, 0.99), ("b", 0.9, 0.1), ("c", 0.9, 0.7), ("d", None, 1.0)):
        metrics = {"val/accuracy": val, "test/accuracy": test, "val/loss": 0.2 if name == "b" else 0.3}
        path = write(settings={"recipe": name}, metrics=metrics)
    report = build_report(find_runs([path.parent]))
    assert [row.settings["recipe"] for row in report.rows] == ["b", "c", "a", "d"]
    assert report.metrics[:2] == ["val/accuracy", "test/accuracy"]
    best = build_report(find_runs([path.parent]), best_per="model")
    assert [row.settings["recipe"] for row in best.rows] == ["b"]


def test_equal_rows_keep_the_order_of_their_numbers(write):
    for number in range(11):
        path = write(settings={"a": number})
    assert [row.settings["a"] for row in build_report(find_runs([path.parent])).rows] == [*range(11)]


def test_a_single_runs_test_accuracy_has_wilsons_interval_and_several_seeds_have_students(write):
    metrics = {"val/accuracy": 0.9, "test/accuracy": 0.9, "test/f1": 0.9, "data/tested_samples": 100}
    for seed in (1, 2):
        write(model="mlp", seed=seed, metrics=metrics | {"test/accuracy": 0.9 + seed / 100})
    path = write(metrics=metrics)
    rows = {row.settings["model"]: row.metrics for row in build_report(find_runs([path.parent])).rows}
    single, seeds = rows["cnn"]["test/accuracy"], rows["mlp"]["test/accuracy"]
    assert (single.low, single.high) == (pytest.approx(0.82563, abs=1e-5), pytest.approx(0.94478, abs=1e-5))
    assert single.std is None
    assert seeds.high - seeds.mean == pytest.approx(12.7062047362 * 0.005)
    assert rows["cnn"]["test/f1"].low is rows["cnn"]["val/accuracy"].low is None


def test_runs_with_folds_and_runs_with_a_validation_split_are_ranked_together(write):
    write(settings={"cross_validation.folds": 5}, metrics={"cross_validation/val/accuracy/mean": 0.9})
    path = write(settings={"cross_validation.folds": 0}, metrics={"val/accuracy": 0.8})
    report = build_report(find_runs([path.parent]))
    assert report.metric == "final/val/accuracy"
    assert values(report, "final/val/accuracy") == [0.9, 0.8]
    assert report.ranked_by.endswith("with folds, the mean over them; the highest first")


def test_runs_of_several_tasks_are_ranked_by_what_most_of_them_were_watched_by(write):
    rmse = {"task.monitor": "val/rmse", "task.monitor_mode": "min", "data.channels": 2}
    for value in (3.0, 2.0):
        write(settings=rmse | {"a": value}, metrics={"val/rmse": value, "test/rmse": 1 / value})
    path = write()
    report = build_report(find_runs([path.parent]))
    assert (report.metric, report.mode, values(report, "val/rmse")) == ("val/rmse", "min", [2.0, 3.0, None])
