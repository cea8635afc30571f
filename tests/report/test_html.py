"""The HTML report as text: one file, nothing from elsewhere, every row in it, no name that could become markup."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runner.report import page_curves
from runner.report.html import PAGE, SCRIPTS, page
from runner.report.page_data import page_data
from runner.report.report import Report, build_report
from runner.report.rows import make_row
from runner.report.runs import RunRecord, find_runs
from tests.support.written_runs import writer

SVG_NAMESPACE = "http://www.w3.org/2000/svg"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        if self.elements and self.elements[-1][0] in ("script", "style") and text.strip():
            self.raw.append(text)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(grid) -> Report:
    return build_report(find_runs([grid]))


def run_called(name: str, **settings) -> RunRecord:
    return RunRecord(Path(name), name, "done", "", "", settings, {}, {"test/accuracy": 0.5}, {}, None, {}, None)


def report_of(runs: list[RunRecord], columns: list[str]) -> Report:
    rows = [make_row((run,), columns) for run in runs]
    return Report(rows, "test/accuracy", "max", columns, ["test/accuracy"], [])


def test_the_page_names_no_address_and_no_other_file(report):
    text = page(report)
    assert set(re.findall(r"\w+://[^\s\"'`]*", text)) == {SVG_NAMESPACE}
    assert "@import" not in text and "url(" not in text
    elements = Elements(text)
    assert not elements.named("link") and not elements.named("img")
    assert not [each for _, each in elements.elements if each.get("src")]
    assert [each["href"] for each in elements.named("a")] == ["#runs"]


def test_every_script_of_the_page_is_in_it():
    assert sorted(SCRIPTS) == sorted(path.stem for path in PAGE.glob("*.js"))


def test_only_the_script_and_the_style_of_the_page_may_run(report):
    elements = Elements(page(report))
    policy = next(each["content"] for each in elements.named("meta") if "http-equiv" in each)
    style, _, script = elements.raw
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    expected = f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; base-uri 'none'"
    assert policy == expected
    assert not [name for _, each in elements.elements for name in each if name.startswith("on") or name == "style"]


def test_a_name_cannot_become_markup():
    name = "</script><script>alert(1)</script><!-- <img src=x>"
    text = page(report_of([run_called(name, model=name), run_called("other", model="cnn")], ["model"]))
    elements = Elements(text)
    assert len(elements.named("script")) == 2 and not elements.named("img")
    data = json.loads(elements.raw[1])
    assert [row["name"] for row in data["rows"]] == [name, "other"]
    assert data["rows"][0]["settings"] == [name]


def test_every_row_metric_and_unfinished_run_is_in_the_page(report):
    data = json.loads(Elements(page(report)).raw[1])
    best_first = [[model, rate] for rate in (0.1, 0.01, 0.001) for model in ("resnet", "cnn")]
    assert [row["settings"] for row in data["rows"]] == best_first
    assert [len(row["paths"]) for row in data["rows"]] == [2] * 6
    place = [each["key"] for each in data["metrics"]].index("test/accuracy")
    mean, std, low, high, count = data["rows"][0]["metrics"][place]
    assert (mean, count) == (0.97, 2)
    assert std == pytest.approx(0.004 / 2**0.5, rel=1e-5)
    assert (high - low) / 2 == pytest.approx(12.7062 * std / 2**0.5, rel=1e-4)
    [(name, state, reason, path)] = data["others"]
    assert (name, state, reason) == ("failed", "failed", "Loss <is> not a number")
    assert path.endswith("/failed")


def test_differences_are_those_from_the_best_and_not_those_of_seeds_and_machines(report):
    data = page_data(report)
    assert data["keys"] == ["model", "optimizer.lr", "model.channels"]
    assert data["best"] == ["resnet", 0.1, "[16, 32]"]
    small, slow = [[0, "cnn"], [2, "[10, 20]"]], [[1, 0.01]]
    assert [row["differences"] for row in data["rows"][:3]] == [[], small, slow]


def test_a_setting_that_only_some_runs_have_differs():
    data = page_data(report_of([run_called("a", depth=3), run_called("b", width=True)], ["depth", "width"]))
    assert data["keys"] == ["depth", "width"]
    assert data["best"] == [3, None]
    assert data["rows"][1]["differences"] == [[0, None], [1, "true"]]
    assert [row["settings"] for row in data["rows"]] == [[3, None], [None, "true"]]


def test_curves_are_whole_where_there_is_room(report):
    data = page_data(report)
    assert [each["key"] for each in data["curves"]] == ["val/accuracy", "val/loss"]
    accuracy = data["rows"][0]["curves"][0]
    assert len(accuracy) == 2  # seeds
    assert accuracy[0][::2] == list(range(10, 310, 10))
    assert accuracy[0][-1] == pytest.approx(0.972 * (1 - 2.718281828**-6), rel=1e-4)
    assert data["left_out"] == []


def test_curves_without_room_are_named(report, monkeypatch):
    monkeypatch.setattr(page_curves, "ALL_POINTS", 12 * page_curves.LEAST_POINTS)
    data = page_data(report)
    assert [each["key"] for each in data["curves"]] == ["val/accuracy"]
    assert data["left_out"] == ["val/loss"]
    assert {len(curve) // 2 for row in data["rows"] for curve in row["curves"][0]} == {page_curves.LEAST_POINTS}


def test_a_single_point_is_no_curve(monkeypatch):
    monkeypatch.setattr(page_curves, "curves", lambda run: {"test/accuracy": [(5.0, 0.5)], "loss": [(1, 2), (2, 1)]})
    assert page_data(report_of([run_called("a")], []))["rows"][0]["curves"] == [[[1, 2, 2, 1]]]


def test_a_thousand_runs_make_a_page_below_five_megabytes(monkeypatch):
    names = ("train/loss_step", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr-AdamW")
    values = [(float(step), 1 / (3 + step)) for step in range(180)]
    monkeypatch.setattr(page_curves, "curves", lambda run: dict.fromkeys(names, values))
    metrics = {f"test/metric_{index}": 1 / (index + 3) for index in range(30)}
    runs = [
        replace(run_called(f"outputs/sweeps/2026-01-31/12-00-00-resnet-digits/{index}"), metrics=metrics)
        for index in range(1000)
    ]
    settings = [{f"section.setting_{key}": index / (key + 7) for key in range(20)} for index in range(1000)]
    runs = [replace(run, settings=each) for run, each in zip(runs, settings, strict=True)]
    assert len(page(report_of(runs, [*settings[0]])).encode()) < 5_000_000


def test_a_report_without_a_finished_run_is_a_page(report):
    text = page(Report([], "", "max", [], [], report.others))
    assert json.loads(Elements(text).raw[1])["others"][0][0] == "failed"


def test_the_page_knows_by_what_it_is_ranked_and_has_intervals_of_single_runs(tmp_path):
    write = writer(tmp_path)
    write(metrics={"val/accuracy": 0.9, "test/accuracy": 0.8, "data/tested_samples": 100.0})
    data = page_data(build_report(find_runs([tmp_path])))
    assert data["ranked_by"] == "val/accuracy, the best checkpoint's; the highest first"
    cells = dict(zip((each["key"] for each in data["metrics"]), data["rows"][0]["metrics"], strict=True))
    assert cells["val/accuracy"] == 0.9
    assert cells["test/accuracy"] == [0.8, None, 0.711171, 0.866633, 1]
