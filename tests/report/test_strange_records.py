"""A report over run directories of anybody: whatever their files hold, it is made, and nothing in it is obeyed."""

import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import RunnerError
from runner.files.text import UNSEEN
from runner.report.comparison import compare, verdict
from runner.report.formats import as_csv, as_json, as_markdown
from runner.report.html import page
from runner.report.report import build_report
from runner.report.runs import curves, find_runs
from runner.report.terminal import show
from runner.tracking.console import TextConsole
from runner.tracking.result import RecordEntries, RunResult, damage, read_entries
from tests.support.written_runs import status_writer, writer

ESCAPE, BIDI, FORMULA = "\x1b]0;owned\x07", "\u202e", "=HYPERLINK(1)"
STRANGE = (
    *(None, True, -1, 10**400, 1e308, -1e308, "NaN", "1e999", "", "x" * 5000, [], [[]], {}, {"": None}, [None] * 3),
    *({"a": {"b": [1]}}, ESCAPE, BIDI, FORMULA, "[red]a[/red]", "a|b`c<d>", "\n# x", "\ud800", "../..", "\x00"),
)
FEW = settings(
    max_examples=60,
    derandomize=True,
    database=None,
)


def all_forms(place):
    """Every form that a report over a place has, as text."""
    runs = find_runs([place])
    report = build_report(runs)
    sink = io.StringIO()
    show(report, TextConsole(file=sink, width=200))
    texts = [sink.getvalue(), as_csv(report), as_markdown(report), as_json(report), page(report)]
    for run in runs:
        curves(run)
        compare(run, runs[0])
        verdict(run, runs[0])
    return texts


def assert_harmless(texts):
    for text in texts:
        text.encode()
        assert not UNSEEN.search(text)


@pytest.fixture
def place(tmp_path):
    write = writer(tmp_path / "runs")
    write(seed=1)
    write(seed=2, settings={"optimizer.lr": 0.1})
    status_writer(tmp_path / "runs")("failed", state="failed", error="no", stage="fit")
    return tmp_path / "runs"


def change(path, **entries):
    content = json.loads(path.read_text()) | entries
    path.write_text(json.dumps(content))


RESULT = ("name", "identity", "metrics", "seconds", "artifacts", "settings", "choices", "parameters", "warnings")
STATUS = ("state", "error", "stage", "started", "metrics", "host", "pid", "held", "stopped", "warnings", "choices")


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: ascii(value)[:20])
def test_every_entry_may_be_of_every_kind(place, value):
    good = (place / "0" / "result.json").read_text()
    for name in RESULT:
        (place / "0" / "result.json").write_text(good)
        change(place / "0" / "result.json", **{name: value})
        find_runs([place])
    for name in STATUS:
        change(place / "failed" / "status.json", **{name: value})
    (place / "0" / "result.json").write_text(good)
    change(place / "0" / "result.json", name=value, settings={"a": value}, choices={"model": value}, warnings=[value])
    change(place / "1" / "result.json", metrics={"val/accuracy": value, "m": 1}, seconds={"fit": value})
    assert_harmless(all_forms(place))


VALUES = st.recursive(
    st.sampled_from([each for each in STRANGE if not isinstance(each, (list, dict))]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", ESCAPE]), inner, max_size=3),
    max_leaves=6,
)


@FEW
@given(st.data())
def test_any_values_make_a_report(place, data):
    for name, entries in (("0/result.json", RESULT), ("failed/status.json", STATUS)):
        changes = data.draw(st.dictionaries(st.sampled_from(entries), VALUES, max_size=4))
        change(place / name, **changes)
    assert_harmless(all_forms(place))


@FEW
@given(st.sampled_from(["result.json", "status.json", "overrides.yaml", "metrics.csv", "config.yaml"]), st.binary())
def test_any_bytes_make_a_report(place, name, content):
    (place / "0" / name).write_bytes(content)
    (place / "failed" / name).write_bytes(content)
    all_forms(place)


@pytest.mark.parametrize("count", [-10, -3.8414588206941236, 0, 0.5, 1e308])
def test_a_number_of_samples_that_is_none_gives_no_interval(place, count):
    change(place / "0" / "result.json", metrics={"test/accuracy": 0.5, "data/tested_samples": count})
    all_forms(place)


def test_names_of_directories_are_text(place):
    strange = place / f"{ESCAPE}{BIDI}|`<b>=1"
    (place / "0").rename(strange)
    undecodable = os.fsencode(place) + b"/\xff\xfe"
    os.rename(place / "1", undecodable)  # noqa: PTH104
    texts = all_forms(place)
    assert_harmless(texts)
    assert "<b>" not in texts[2]


def test_names_of_metrics_and_settings_are_text(place):
    settings_ = {FORMULA: 1, "x": FORMULA, "[red]y": ESCAPE, "a|b": BIDI}
    change(place / "0" / "result.json", settings=settings_, metrics={FORMULA: 0.5, ESCAPE: 1, "val/accuracy": -0.5})
    texts = all_forms(place)
    assert_harmless(texts)
    assert f"'{FORMULA}" in texts[1] and f",{FORMULA}" not in texts[1] and ",-0.5," in texts[1]


def test_a_pipe_and_a_bomb_are_told(place):
    (place / "0" / "result.json").unlink()
    os.mkfifo(place / "0" / "result.json")
    (place / "1" / "result.json").write_text("[" * 100_000)
    found = {run.path.name: run for run in find_runs([place])}
    assert "no regular file" in found["0"].reason
    assert "nested deeper" in found["1"].reason


def test_a_line_without_end_is_no_row_of_the_curves(place):
    (place / "0" / "metrics.csv").write_text(
        "step,epoch,metric,value\n1,0,val/loss,0.5\n" + "9" * 300_000 + "\n2,0,a,1\n"
    )
    run = next(run for run in find_runs([place]) if run.path.name == "0")
    assert curves(run)["val/loss"] == [(1.0, 0.5)]


def test_jobs_of_a_sweep_lie_below_it(tmp_path):
    jobs = [{"number": each, "state": "failed", "overrides": ["a=1"]} for each in ("../../etc", [1], None, 3)]
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": [*jobs, 5, None]}))
    assert [run.path.name for run in find_runs([tmp_path])] == ["3"]


@FEW
@given(st.dictionaries(st.sampled_from([*RecordEntries.__annotations__, "more"]), VALUES, max_size=6))
def test_what_is_read_of_a_record_has_the_right_types(tmp_path, entries):
    path = tmp_path / "status.json"
    path.write_text(json.dumps(entries))
    read = read_entries(path)
    assert (read.keys() == entries.keys()) == (damage(path) == "")
    for name, kind in (("done", list), ("metrics", dict), ("artifacts", dict), ("state", str), ("choices", dict)):
        assert isinstance(read.get(name, kind()), kind)
    try:
        RunResult.load(path)
    except RunnerError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", "artifacts/../../x"])
def test_an_artifact_lies_in_its_run(tmp_path, path):
    (tmp_path / "status.json").write_text(json.dumps({"artifacts": {"x": {"path": path, "bytes": 1}}}))
    assert "artifacts" in damage(tmp_path / "status.json")
