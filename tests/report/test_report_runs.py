"""Runs are found wherever they lie, and told by what they are: done, or why not."""

import json
import socket

import pytest

from runner.errors import RunnerError
from runner.report.runs import curves, find_runs
from runner.tracking import lock
from tests.support.written_runs import Write, status_writer, writer

# A process that is always there; every worker of the test suite must collect the same names.
INIT = 1
GONE = 2**22 + 1  # above the largest process number of Linux


@pytest.fixture
def write(tmp_path) -> Write:
    return writer(tmp_path / "runs")


@pytest.fixture
def write_status(tmp_path) -> Write:
    return status_writer(tmp_path / "runs")


def test_a_finished_run_says_everything(write):
    path = write(
        metrics={"test/accuracy": 0.75, "test/loss": None},
        artifacts={"int8_program": {"path": "artifacts/int8.pt2", "bytes": 2048}},
        typed=("optimizer.lr=0.01",),
    )
    (run,) = find_runs([path])
    assert (run.path, run.name, run.state, run.reason) == (path, "cnn-digits", "done", "")
    assert run.metrics == {"test/accuracy": 0.75}  # null was no finite number
    assert run.settings["model.channels"] == [10, 20]
    assert run.choices == {"model": "cnn", "data": "digits"}
    assert run.seconds == {"fit": 1.5, "total": 2.0}
    assert (run.parameters, run.artifacts, run.started) == (100, {"int8_program": 2048}, 1000.0)
    assert run.overrides == ("model=cnn", "seed=1", "optimizer.lr=0.01")


def test_runs_are_found_below_any_directory_once_and_numbers_in_their_order(write, tmp_path):
    names = ["10", "2", "sweep/0", "sweep/inner/1"]
    for name in names:
        write(place=name)
    (tmp_path / "runs" / "2" / "checkpoints").mkdir()
    (tmp_path / "runs" / "2" / "checkpoints" / "status.json").write_text("{}")
    (tmp_path / "runs" / ".hidden").mkdir()
    (tmp_path / "runs" / ".hidden" / "result.json").write_text("{}")
    root = tmp_path / "runs"
    found = find_runs([root, root / "2"])
    assert [str(run.path.relative_to(root)) for run in found] == ["sweep/0", "sweep/inner/1", "2", "10"]


def test_a_directory_of_choices_is_no_run(tmp_path, write):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "config.yaml").write_text("seed: 1\n")
    write(place="a")
    assert [run.path.name for run in find_runs([tmp_path / "runs"])] == ["a"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "nowhere: there is no such directory"),
        ("file", "file: is a file; name the run directory it lies in"),
        ("empty", "empty: holds no run"),
    ],
)
def test_a_place_without_runs_is_an_error(tmp_path, place, words):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunnerError, match=words):
        find_runs([tmp_path / place])


def status_of(path):
    (run,) = find_runs([path])
    return run.state, run.reason


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        ({"state": "failed", "error": "OSError: full\nmore", "stage": "fit"}, "failed", "OSError: full, in stage fit"),
        ({"state": "interrupted", "error": "stopped by SIGINT"}, "interrupted", "stopped by SIGINT"),
        ({"state": "failed"}, "failed", "no reason recorded"),
        ({"state": "running", "pid": INIT, "stage": "test"}, "died", f"process {INIT} is gone, in stage test"),
        ({"state": "starting", "pid": GONE}, "died", f"process {GONE} is gone"),
        ({"state": "running", "pid": GONE, "stage": "fit"}, "died", f"process {GONE} is gone, in stage fit"),
        ({"state": "running", "pid": 7, "host": "far"}, "died", "process 7 on far is gone"),
        ({"state": "running", "pid": "?", "host": socket.gethostname()}, "died", "process ? is gone"),
        ({"state": "done"}, "damaged", "status.json says done, but there is no result.json"),
        ({"phase": 3}, "older layout", "status.json knows no state None"),
    ],
)  # fmt: skip
def test_a_run_without_a_result_says_why(write_status, status, state, words):
    assert status_of(write_status("run", **status)) == (state, words)


@pytest.mark.parametrize(("host", "words"), [({}, "process 7, in stage test"), ({"host": "far"}, "process 7 on far")])
def test_a_run_goes_on_while_a_process_holds_its_lock(write_status, host, words):
    path = write_status("run", state="running", pid=7, stage="test", **host)
    with lock.held(path, "held"):
        state, reason = status_of(path)
    assert (state, reason.startswith(words)) == ("running", True)
    assert status_of(path)[0] == "died"


def test_a_run_that_never_began_is_unfinished(write_status):
    path = write_status("run")
    (path / "status.json").unlink()
    assert status_of(path) == ("unfinished", "neither status.json nor result.json: it never began")


@pytest.mark.parametrize(
    ("file", "content", "state", "words"),
    [
        ("result.json", '{"metr', "damaged", "result.json is no JSON"),
        ("result.json", "", "damaged", "result.json is no JSON"),
        ("result.json", "[1]", "damaged", "result.json holds no entries"),
        ("result.json", '{"accuracy": 1}', "older layout", "result.json has no name, identity, metrics, seconds"),
        ("status.json", "\x00\xff", "damaged", "status.json is no JSON"),
    ],
)
def test_a_damaged_or_older_record_is_told_from_others(write_status, file, content, state, words):
    path = write_status("run", state="running", pid=GONE)
    (path / file).write_text(content, encoding="latin-1")
    found, reason = status_of(path)
    assert found == state
    assert reason.startswith(words)


def test_a_result_counts_even_where_the_status_was_not_updated_any_more(write):
    path = write()
    (path / "status.json").write_text(json.dumps({"state": "running", "pid": GONE}))
    assert status_of(path) == ("done", "")
    (path / "status.json").write_text("{")
    assert status_of(path) == ("done", "")


def test_a_stopped_run_shows_what_it_was_and_had_measured(write_status):
    path = write_status("run", state="interrupted", metrics={"val/accuracy": 0.5}, choices={"model": "cnn"})
    (run,) = find_runs([path])
    assert run.settings == {"name": "cnn-digits", "seed": 3, "optimizer.lr": 0.01}
    assert (run.name, run.metrics, run.choices) == ("cnn-digits", {"val/accuracy": 0.5}, {"model": "cnn"})


def test_a_result_without_settings_takes_them_from_the_configuration(write):
    path = write(settings={"seed": 5})
    result = json.loads((path / "result.json").read_text())
    del result["settings"]
    (path / "result.json").write_text(json.dumps(result))
    (path / "config.yaml").write_text("seed: 5\nday: 2026-01-31\nmodel: {channels: [3, 4], inner: {bias: false}}\n")
    (run,) = find_runs([path])
    # A date is text, as it is for OmegaConf.
    assert run.settings == {"seed": 5, "day": "2026-01-31", "model.channels": [3, 4], "model.inner.bias": False}


def test_jobs_of_a_sweep_that_never_became_runs_are_listed(write, tmp_path):
    write(place="0")
    (tmp_path / "runs" / "2").mkdir()
    (tmp_path / "runs" / "2" / "console.log").write_text("Traceback")
    jobs = [
        {"number": 0, "overrides": ["model=cnn"], "state": "done"},
        {"number": 1, "overrides": ["model=mlp"], "state": "skipped", "error": "mlp takes images\nmore"},
        {"number": 2, "overrides": ["model=big"], "state": "failed", "error": "killed", "settings": {"seed": 1}},
        {"number": 3, "overrides": ["model=cnn", "seed=2"], "state": "waiting"},
        "not a job",
    ]
    (tmp_path / "runs" / "sweep.json").write_text(json.dumps({"jobs": jobs}))
    runs = {run.path.name: run for run in find_runs([tmp_path / "runs"])}
    assert {name: (run.state, run.reason) for name, run in runs.items()} == {
        "0": ("done", ""),
        "1": ("unfinished", "skipped in its sweep: mlp takes images"),
        "2": ("failed", "failed in its sweep: killed"),
        "3": ("unfinished", "waiting in its sweep"),
    }
    assert runs["2"].choices == {"model": "big"}


def test_a_damaged_list_of_jobs_hides_no_run(write, tmp_path):
    write(place="0")
    (tmp_path / "runs" / "sweep.json").write_text("{")
    assert [run.state for run in find_runs([tmp_path / "runs"])] == ["done"]


def test_curves_are_read_by_metric_without_what_is_no_number(write):
    path = write()
    rows = [
        "step,epoch,metric,value",
        "0,0,train/loss,2.5",
        "1,0,train/loss,nan",
        "2,0,train/loss,1.5",
        "2,0,val/loss,1",
        "3,0,tra",
    ]
    (path / "metrics.csv").write_text("\n".join(rows))
    assert curves(*find_runs([path])) == {"train/loss": [(0.0, 2.5), (2.0, 1.5)], "val/loss": [(2.0, 1.0)]}


def test_a_run_that_logged_nothing_has_no_curves(write):
    assert curves(*find_runs([write()])) == {}
