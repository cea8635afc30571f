"""Mirrors: every row once whatever stops a run, a service that is away, and what is sent later."""

import csv
import json

import pytest

from runner.cli.main import main
from runner.errors import RunnerError
from runner.files import write_text
from runner.tracking.loggers import FAILED, INTERRUPTED, MetricsFile, place_in, told_of_its_end, with_rows
from runner.tracking.run_directory import RunDirectory
from runner.tracking.services.mirror import Mirror
from runner.tracking.services.mlflow import MLflow
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.sent import shorten

STORE: dict[str, dict] = {}


class Board(Mirror):
    """A service in this process's memory, which may be away."""

    title, module, extra = "Board", "json", "board"
    away_at = ""

    def begin(self, known):
        self.asked("begin")
        name = known if known in STORE else f"run-{len(STORE) + 1}"
        STORE.setdefault(name, {"settings": {}, "rows": [], "files": {}, "states": []})
        return name

    def asked(self, what):
        if Board.away_at == what:
            raise ConnectionError("nobody\nanswers")

    def send_settings(self, settings):
        STORE[self.run]["settings"].update(settings)

    def send_rows(self, rows):
        self.asked("rows")
        STORE[self.run]["rows"] += [(row.step, row.epoch, row.metric, row.value) for row in rows]

    def send_file(self, path, name):
        STORE[self.run]["files"][name] = path.read_text()

    def end(self, state):
        STORE[self.run]["states"].append(state)


@pytest.fixture(autouse=True)
def nothing_stored():
    STORE.clear()
    Board.away_at = ""


@pytest.fixture
def directory(tmp_path):
    """A run directory that says what it was given."""
    write_text(tmp_path / "config.yaml", "seed: 1\nmodel: {hidden: [4, 2]}\n")
    (tmp_path / "status.json").write_text("{}")
    return tmp_path


def curves(directory, size=0):
    logger = MetricsFile(str(directory / "metrics.csv"))
    logger.resume(size)
    return logger


def steps(name="run-1"):
    return [row[0] for row in STORE[name]["rows"]]


def test_a_killed_run_goes_on_in_the_same_run_with_every_row_once(directory):
    rows, board = curves(directory), Board(str(directory))
    board.push(rows)
    rows.log_metrics({"a": 1.0, "epoch": 0}, step=1)
    kept = place_in([rows], {"b": 2.0, "epoch": 0.0}, step=1)
    board.push(rows)  # behind a checkpoint
    rows.log_metrics({"b": 2.0, "epoch": 0}, step=1)
    rows.log_metrics({"a": 3.0, "epoch": 1}, step=2)  # which the killed process never kept
    again, resumed = Board(str(directory)), curves(directory)
    resumed.continue_from(2, kept)
    again.push(resumed)
    resumed.log_metrics({"a": 4.0, "epoch": 1}, step=2)
    again.push(resumed, "done")
    assert list(STORE) == ["run-1"]
    assert STORE["run-1"]["rows"] == [(1, 0, "a", 1.0), (1, 0, "b", 2.0), (2, 1, "a", 4.0)]
    assert STORE["run-1"]["settings"] == {"seed": 1, "model.hidden": [4, 2]}
    assert STORE["run-1"]["states"] == ["done"]


def test_rows_that_were_taken_back_are_sent_anew(directory):
    rows, board = curves(directory), Board(str(directory))
    rows.log_metrics({"a": 1.0}, step=1)
    size = rows.size
    rows.log_metrics({"test/a": 2.0})
    board.push(rows)
    shorten(RunDirectory(directory), size)
    later = curves(directory, size)
    later.log_metrics({"a": 3.0}, step=2)
    Board(str(directory)).push(later)
    assert STORE["run-1"]["rows"] == [(1, None, "a", 1.0), (None, None, "test/a", 2.0), (2, None, "a", 3.0)]


def test_files_are_sent_again_when_they_changed(directory):
    board, rows = Board(str(directory)), curves(directory)
    rows.log_metrics({"a": 1.0}, step=1)
    board.push(rows)
    (directory / "artifacts").mkdir()
    (directory / "artifacts" / "net.onnx").write_text("network")
    (directory / "result.json").write_text(json.dumps({"metrics": {"a": 1.0, "gain/size": 3.5, "lost": None}}))
    artifacts = {"net": {"path": "artifacts/net.onnx", "bytes": 7, "network": "int8", "format": "onnx"}}
    (directory / "status.json").write_text(json.dumps({"artifacts": artifacts}))
    board.push(rows, "done")
    assert STORE["run-1"]["files"]["artifacts/net.onnx"] == "network"
    assert STORE["run-1"]["rows"][1:] == [(None, None, "gain/size", 3.5)]
    write_text(directory / "config.yaml", "seed: 2\n")
    Board(str(directory), artifacts=False).push(rows)
    assert STORE["run-1"]["files"]["config.yaml"] == "seed: 2\n"
    assert STORE["run-1"]["settings"]["seed"] == 2


def test_a_service_that_is_away_costs_one_notice_and_is_told_later(directory, capsys):
    Board.away_at = "rows"
    rows, board = curves(directory), Board(str(directory))
    rows.log_metrics({"a": 1.0}, step=1)
    board.push(rows)
    rows.log_metrics({"a": 2.0}, step=2)
    board.push(rows, "done")
    (notice,) = json.loads((directory / "status.json").read_text())["warnings"]
    assert notice["kind"] == "tracking"
    assert "Board could not be told of this run (ConnectionError: nobody answers)." in notice["text"]
    assert f"python -m runner sync {directory}" in notice["text"]
    assert capsys.readouterr().out.count("Notice") == 1
    assert steps() == []
    Board.away_at = ""
    Board(str(directory)).push(rows, "done")
    assert steps() == [1, 2]


@pytest.mark.parametrize(("error", "state"), [(KeyError, FAILED), (None, INTERRUPTED)])
def test_a_run_that_breaks_off_says_so_and_sends_nothing_that_it_will_write_again(directory, error, state):
    from runner.tracking.signals import Interrupted

    rows, board = curves(directory), Board(str(directory))
    board.push(rows)
    rows.log_metrics({"a": 1.0}, step=1)
    with pytest.raises(BaseException), told_of_its_end([rows, board]):  # noqa: B017
        raise error() if error else Interrupted(2)
    assert STORE["run-1"]["states"] == [state]
    assert steps() == []


@pytest.mark.parametrize("content", ["", "[]", '{"board": 1}', '{"board": {"run": 3}}', "\x00"])
def test_a_damaged_note_of_what_was_sent_begins_anew(directory, content):
    (directory / "tracking.json").write_text(content)
    rows = curves(directory)
    rows.log_metrics({"a": 1.0}, step=1)
    Board(str(directory)).push(rows)
    assert steps() == [1]


def test_rows_are_written_where_a_mirror_needs_them(directory):
    board, rows = Board(str(directory)), curves(directory)
    assert [type(each) for each in with_rows([board])] == [MetricsFile, Board]
    assert with_rows([rows, board]) == [rows, board]
    assert with_rows([]) == []


def test_a_package_that_is_missing_is_named(directory, monkeypatch):
    monkeypatch.setattr(Board, "module", "no_such_module")
    with pytest.raises(RunnerError, match=r"Board is not installed here: pip install 'runner\[board\]'"):
        Board(str(directory))


@pytest.fixture
def pretended(monkeypatch):
    """logger=mlflow tells a board of this process's."""
    for name in ("title", "module", "begin", "send_settings", "send_rows", "send_file", "end"):
        monkeypatch.setattr(MLflow, name, getattr(Board, name))
    monkeypatch.setattr(MLflow, "asked", Board.asked, raising=False)
    monkeypatch.setattr(MLflow, "again", "")
    monkeypatch.setitem(SERVICES, "mlflow", (Board.title, Board.module))


def test_a_run_goes_on_without_its_service_and_is_sent_later(pretended, train, capsys):
    Board.away_at = "begin"
    run = train("model=mlp", "logger=mlflow", "trainer.max_epochs=2")
    assert STORE == {}
    assert [each["kind"] for each in run.json("result")["warnings"]] == ["tracking"]
    assert main(["sync", str(run.path)]) == 1
    Board.away_at = ""
    assert main(["sync", str(run.path)]) == 0
    assert main(["sync", str(run.path.parent), "logger=mlflow", "logger.mlflow.experiment=other"]) == 0
    (told,) = STORE.values()
    with (run.path / "metrics.csv").open(newline="") as file:
        rows = [(row["step"], row["metric"], float(row["value"])) for row in csv.DictReader(file)]
    sent = [("" if step is None else str(step), metric, value) for step, _, metric, value in told["rows"]]
    assert sent[: len(rows)] == rows
    assert {metric for _, metric, _ in sent} >= run.metrics.keys()
    assert told["settings"]["model.hidden"]
    assert {"config.yaml", "overrides.yaml", "result.json", "report.md"} <= told["files"].keys()
    assert told["states"] == ["done", "done"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["logger=csv"], "no tracking service was chosen for this run. Add one: logger=mlflow."),
        (["model=mlp"], "model=mlp: only loggers are chosen here"),
        (["--all"], "--all: there is no such option"),
    ],
)
def test_sync_says_what_it_cannot_do(arguments, words, digits_run, capsys):
    assert main(["sync", str(digits_run), *arguments]) == 2
    assert words in capsys.readouterr().err
