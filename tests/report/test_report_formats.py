"""What a report looks like: on terminals of any width, as CSV, Markdown and JSON."""

import csv
import io
import json

import pytest
from rich.console import Console

from runner.report.formats import as_csv, as_json, as_markdown
from runner.report.page_data import page_data
from runner.report.quantities import decimals, number
from runner.report.quantities import show as written
from runner.report.report import build_report
from runner.report.runs import find_runs
from runner.report.terminal import show
from tests.support.written_runs import Write, status_writer, writer


@pytest.fixture
def write(tmp_path) -> Write:
    return writer(tmp_path / "runs")


@pytest.fixture
def write_status(tmp_path) -> Write:
    return status_writer(tmp_path / "runs")


@pytest.fixture
def report(write, write_status):
    """cnn with two seeds, mlp with one and without a loss, and a run that failed."""
    for model, seed, metrics in (
        ("cnn", 1, {"test/accuracy": 0.9, "test/loss": 0.25}),
        ("cnn", 2, {"test/accuracy": 0.8, "test/loss": 0.75}),
        ("mlp", 1, {"test/accuracy": 0.5}),
    ):
        path = write(model=model, seed=seed, metrics=metrics)
    write_status("gone", state="failed", error="ValueError: no", stage="fit")
    return build_report(find_runs([path.parent]))


def shown(report, width):
    sink = io.StringIO()
    show(report, Console(file=sink, width=width))
    return [line.rstrip() for line in sink.getvalue().splitlines()]


def test_a_table_shows_rows_remarks_and_what_is_not_done(report, tmp_path):
    assert shown(report, 200) == [
        "3 runs, ranked by test/accuracy, on test data, as no run measured validation data; the highest first; in "
        f"{tmp_path / 'runs'}",
        "model  seeds    test/accuracy     95 % interval        test/loss  run",
        "cnn        2  0.8500 ± 0.0707  [0.2147, 1.4853]  0.5000 ± 0.3536  0, 1",
        "mlp        1           0.5000                                     2",
        "± is the standard deviation over seeds; the interval is that of the mean, by Student's t.",
        "",
        "1 run is not done:",
        "failed  gone  ValueError: no, in stage fit",
        "Go on with one: python -m runner resume DIRECTORY",
    ]


@pytest.mark.parametrize("width", range(22, 80, 7))
def test_a_narrow_terminal_loses_columns_but_never_the_setting_or_the_metric(report, width):
    lines = shown(report, width)
    start = next(index for index, line in enumerate(lines) if line.startswith("model"))
    rows = lines[start : start + 3]
    assert all(len(line) <= width for line in rows)
    assert "…" not in "".join(rows)
    assert "0.8500 ± 0.0707" in rows[1]
    assert " ".join(lines).count("test/loss") == 1  # in the table, or among what is not shown


def test_of_many_settings_the_first_one_stays(write):
    runs = [
        write(settings={"alpha": value, "beta": value}, typed=(f"alpha={value}", f"beta={value}")) for value in (1, 2)
    ]
    lines = shown(build_report(find_runs(runs)), 22)
    assert lines[1].split() == ["alpha", "val/accuracy"]
    assert [line.split() for line in lines[2:4]] == [["1", "0.5000"], ["2", "0.5000"]]
    assert shown(build_report(find_runs(runs)), 18)[1].startswith("al")  # rich cuts what is too wide even so


def test_deviations_are_left_out_where_they_say_nothing(write):
    for seed, seconds in ((1, 10.0), (2, 12.0)):
        for model, parameters in (("cnn", 8490), ("mlp", 575050)):
            path = write(model=model, seed=seed, parameters=parameters, seconds={"total": seconds})
    cells = shown(build_report(find_runs([path.parent])), 200)[2].split("  ")
    assert {"8,490", "11.0 ± 1.4", "0.5000 ± 0.0000"} <= {cell.strip() for cell in cells}


def test_what_is_not_shown_is_named(report):
    assert "Not shown, as the terminal is too narrow: test/accuracy/interval, test/loss, run." in " ".join(
        shown(report, 40)
    )


def test_dozens_of_columns_that_do_not_fit_are_counted(write):
    names = [f"test/metric_{number}" for number in range(30)]
    report = build_report(find_runs([write(metrics={"test/accuracy": 1.0} | dict.fromkeys(names, 0.5))]))
    assert "test/metric_7 and 23 more (--columns chooses)." in " ".join(shown(report, 20))


def test_only_what_is_not_done_is_listed_where_nothing_is(write_status):
    path = write_status("a", state="interrupted", error="stopped by SIGINT")
    assert shown(build_report(find_runs([path.parent])), 200)[0] == "No run is done; 1 run is not:"


def test_conditions_that_leave_nothing_say_so(write):
    report = build_report(find_runs([write()]), where=["seed>1"])
    assert shown(report, 80) == ["No run satisfies the conditions."]
    assert as_markdown(report) == "No run satisfies the conditions.\n"
    assert as_csv(report).strip() == ""
    assert json.loads(as_json(report))["rows"] == []


def test_repeats_and_runs_stopped_early_are_remarked(write, write_status):
    older = write()
    newer = write()
    status = json.loads((newer / "status.json").read_text())
    (newer / "status.json").write_text(json.dumps(status | {"stopped": "below the median"}))
    text = " ".join(shown(build_report(find_runs([older.parent])), 200))
    assert "1 older run repeats a newer one with the same configuration and seed; only the newest counts" in text
    assert "Stopped early on request: 1." in text


def test_csv_has_full_precision_and_full_names(report, tmp_path):
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert [row["model"] for row in rows] == ["cnn", "mlp"]
    assert float(rows[0]["test/accuracy"]) == report.rows[0].metrics["test/accuracy"].mean
    assert float(rows[0]["test/accuracy/std"]) == report.rows[0].metrics["test/accuracy"].std
    assert (rows[0]["runs"], rows[1]["runs"]) == ("2", "1")
    assert rows[1]["test/loss"] == rows[1]["test/loss/std"] == rows[1]["test/accuracy/std"] == ""
    assert rows[0]["run"] == f"{tmp_path / 'runs' / '0'} {tmp_path / 'runs' / '1'}"


def test_csv_of_single_runs_has_no_deviations(write):
    text = as_csv(build_report(find_runs([write(settings={"a": 0.123456789}), write(settings={"a": [1, 2]})])))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["a", "runs", "ranked_by", "val/accuracy", "test/accuracy", "run"]
    assert rows[0]["ranked_by"] == "val/accuracy:max"
    assert [row["a"] for row in rows] == ["0.123456789", "[1, 2]"]


def test_markdown_is_a_table(report):
    lines = as_markdown(report).splitlines()
    assert lines[2:6] == [
        "| model | seeds | test/accuracy | 95 % interval | test/loss | run |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        "| cnn | 2 | 0.8500 ± 0.0707 | [0.2147, 1.4853] | 0.5000 ± 0.3536 | 0, 1 |",
        "| mlp | 1 | 0.5000 |  |  | 2 |",
    ]
    assert lines[-1].endswith("gone`: failed; ValueError: no, in stage fit")


def test_markdown_keeps_bars_out_of_its_table(write):
    report = build_report(find_runs([write(settings={"a": "x|y"}), write(settings={"a": "z"})]))
    assert "x\\|y" in as_markdown(report)


def test_json_has_everything(report, tmp_path):
    content = json.loads(as_json(report))
    assert (content["metric"], content["mode"], content["columns"]) == ("test/accuracy", "max", ["model"])
    best = content["rows"][0]
    assert best["settings"] == {"model": "cnn"}
    assert [run["seed"] for run in best["runs"]] == [1, 2]
    assert best["metrics"]["test/loss"]["count"] == 2
    assert content["others"][0]["state"] == "failed"
    assert content["others"][0]["path"] == str(tmp_path / "runs" / "gone")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.9912, 0.5], ["0.9912", "0.5000"]),
        ([0.99, 3e-7], ["0.9900", "3e-07"]),
        ([26.088, 133.7856], ["26.09", "133.79"]),
        ([2_932_872.0, 114_848.0], ["2,932,872", "114,848"]),
        ([3e-7, 2.5e-6], ["3e-07", "2.5e-06"]),
        ([0.0, 0.0], ["0.0000", "0.0000"]),
        ([1.0, 0.0], ["1.0000", "0.0000"]),
        ([1e20, 5.0], ["1e+20", "5"]),
        ([-0.25, 0.5], ["-0.2500", "0.5000"]),
    ],
)
def test_numbers_have_the_digits_that_their_column_needs(values, texts):
    places = decimals(values)
    assert [number(value, places) for value in values] == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.003, "0.003"),
        (1e-05, "1e-05"),
        ([64, 32], "[64, 32]"),
        (["a", None], "[a, null]"),
        ("x y", "x y"),
    ],
)
def test_settings_are_written_as_they_are_typed(value, text):
    assert written(value) == text


def test_every_form_says_by_what_it_is_ranked_and_which_rows_cannot_be(write):
    write(metrics={"val/accuracy": 0.9, "test/accuracy": 0.8, "data/tested_samples": 100})
    write(model="mlp", metrics={"test/accuracy": 0.99})
    for seed in (1, 2):
        path = write(settings={"a": 1}, seed=seed, metrics={"val/accuracy": 0.5} if seed == 1 else {})
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps(status | {"held": ["test"]}))
    report = build_report(find_runs([path.parent]))
    words = "ranked by val/accuracy, the best checkpoint's; the highest first"
    texts = {"table": "\n".join(shown(report, 300)), "markdown": as_markdown(report)}
    for text in texts.values():
        assert f"4 runs, {words}" in text
        assert "Ranked last, as they have no val/accuracy: 1." in text
        assert "Ranked by those of their runs that have val/accuracy: 2, 3." in text
        assert "1 run is not tested, as the sweep asked" in text
        assert "That of a single run is Wilson's for a share, from the number of its test samples." in text
        assert "[0.7112, 0.8666]" in text
    assert json.loads(as_json(report))["ranked_by"] == words.removeprefix("ranked by ")
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {row["ranked_by"] for row in rows} == {"val/accuracy:max"}
    assert float(rows[0]["test/accuracy/low"]) == pytest.approx(0.71117, abs=1e-5)


def test_what_runs_noticed_stands_below_the_table_in_every_form(write):
    notice = {"kind": "dead_layer", "text": "A layer is dead: head.", "about": "head"}
    for seed in (1, 2):
        path = write(seed=seed, warnings=[notice, {"kind": "damaged"}])
    write(seed=3)
    report = build_report(find_runs([path.parent]))
    told = "Noticed in 0, 1: A layer is dead: head."
    assert told in as_markdown(report)
    assert told in page_data(report)["remarks"]
    console = Console(width=200, file=io.StringIO())
    show(report, console)
    assert told in console.file.getvalue()
    runs = json.loads(as_json(report))["rows"][0]["runs"]
    assert sorted(run["warnings"] for run in runs) == [[], ["A layer is dead: head."], ["A layer is dead: head."]]
