"""Which file of a run is served, and what is refused before a server starts; what the run's own objects answer."""

import io
import json
import shutil
import socket
from dataclasses import asdict

import numpy as np
import pytest

from runner.cli.main import main
from runner.errors import RunnerError
from runner.job.chosen import chosen
from runner.serving import start
from runner.serving.limits import Limits
from runner.serving.model import Request
from runner.serving.worker import load, prepared

pytest.importorskip("fastapi", reason="the extra serve is not installed")


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the exported run, to be changed."""
    shutil.copytree(exported, tmp_path / "run")
    return tmp_path / "run"


def change(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


def test_the_fastest_file_that_was_measured_is_served(copied):
    assert chosen(copied).description.about == "which the run has not measured"
    result = json.loads((copied / "result.json").read_text())
    shutil.copy(copied / "artifacts" / "float.onnx", copied / "artifacts" / "other.onnx")
    artifacts = result["artifacts"]
    artifacts["other_onnx"] = {**artifacts["float_onnx"], "path": "artifacts/other.onnx"}
    metrics = {f"benchmark/{name}_onnx/latency_ms/batch_1": speed for name, speed in (("float", 0.4), ("other", 0.2))}
    change(copied / "result.json", artifacts=artifacts, metrics={**result["metrics"], **metrics})
    told = json.loads((copied / "artifacts" / "serving.json").read_text())["files"]
    change(copied / "artifacts" / "serving.json", files={**told, "other_onnx": told["float_onnx"]})
    served = chosen(copied)
    assert served.description.file.endswith("other.onnx")
    assert served.description.about == "0.2 ms at batch 1, the fastest of 2 as the run measured on this machine"


def test_a_run_without_files_says_how_to_get_one(copied):
    artifacts = json.loads((copied / "result.json").read_text())["artifacts"]
    change(copied / "result.json", artifacts={})
    with pytest.raises(
        RunnerError, match=r"stages=\[export,benchmark\] export.formats=\[onnx\]; or .*--format weights"
    ):
        chosen(copied)
    change(copied / "result.json", artifacts=artifacts)
    with pytest.raises(RunnerError, match=r"no file of the format onx. Did you mean onnx\? There are: onnx, weights"):
        chosen(copied, form="onx")


def test_a_file_that_is_not_what_its_run_wrote_is_refused(copied):
    path = copied / "artifacts" / "float.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    for place in (copied, path):
        with pytest.raises(RunnerError, match=r"its SHA-256 is not that of result\.json"):
            chosen(place)
    assert chosen(copied, trust=True).description.sha256


def test_what_a_newer_version_wrote_is_refused(copied):
    change(copied / "artifacts" / "serving.json", version=2)
    with pytest.raises(RunnerError, match="of version 2, and this runner knows 1"):
        chosen(copied)


GOOD = {"batch": None, "alone": False, "outputs": []}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"files": 3}, "damaged: files must say"),
        ({"files": ["float_onnx"]}, "damaged: files must say"),
        ({"files": {"float_onnx": 1}}, "damaged: files must say"),
        ({"files": {"float_onnx": {**GOOD, "batch": "all"}}}, "batch=all: must be a whole number or null"),
        ({"intake": [1], "answers": []}, "intake=.*: must be settings in braces or null"),
        ({"task": 3}, "task=3: must be text"),
        ({"inputs": "x"}, "inputs=x: must be settings in braces"),
        ({"classes": {"a": 1}}, "classes=.*: must be a list of names"),
        ({"check": 3}, None),
        ({"check": [{"dtype": "float32", "shape": [10**18, 10**18], "data": ""}]}, None),
        ({"inputs": {"a": 1}}, None),
    ],
)
def test_what_serving_json_says_is_judged_before_it_is_used(copied, changes, words):
    change(copied / "artifacts" / "serving.json", **changes)
    if words is not None:
        with pytest.raises(RunnerError, match=words):
            chosen(copied)
        return
    settings = {"description": chosen(copied).description.as_plain(), "threads": 1, "limits": asdict(Limits())}
    told = io.BytesIO()
    assert prepared(load, settings, told) is None  # the worker ends; the server says why
    assert b"error" in told.getvalue() and b"Export it again" in told.getvalue()


def test_figures_of_a_strange_result_are_left_out(copied, tmp_path):
    strange = {"data/tested_samples": -5, "test/accuracy": 7, "benchmark/float_onnx/latency_ms/batch_x": 1}
    change(copied / "result.json", metrics=strange)
    change(copied / "environment.json", cpu="fast", versions=[1], python=3)
    assert chosen(copied).description.about == "which the run has not measured"
    assert main(["package", str(copied), "--output", str(tmp_path / "app"), "--no-hashes"]) == 0
    assert "an unknown processor" in (tmp_path / "app" / "MODEL_CARD.md").read_text()
    change(copied / "result.json", metrics={"test/accuracy": float("nan")})
    with pytest.raises(RunnerError, match=r"metrics=.*: must be .*of numbers by their names"):
        chosen(copied)


def test_a_file_of_no_run_and_a_directory_that_is_none(tmp_path, exported):
    shutil.copy(exported / "artifacts" / "float.onnx", tmp_path)
    with pytest.raises(RunnerError, match="lies in no run directory"):
        chosen(tmp_path / "float.onnx")
    with pytest.raises(RunnerError, match="no run directory"):
        chosen(tmp_path)


def test_a_port_in_use_and_wrong_options_are_told(exported, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", str(exported), "--port", port]) == 2
        assert f"127.0.0.1:{port} can't be listened at" in capsys.readouterr().err
    assert main(["serve", str(exported), "--picture-formats", "eps"]) == 2
    assert "--picture-formats EPS: Pillow draws" in capsys.readouterr().err
    assert main(["serve", "nowhere"]) == 2
    assert "nowhere: there is no such run directory or artifact" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", str(exported), "--workers", "0"])


def test_two_models_of_one_name_are_refused(exported, capsys):
    assert main(["serve", f"one={exported}", f"one={exported}", "--port", "0"]) == 2
    assert "one: two models have this name" in capsys.readouterr().err


def test_serving_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr(start, "find_spec", lambda name: None)
    with pytest.raises(RunnerError, match=r"pip install 'runner\[serve\]'"):
        start.need_packages()


@pytest.mark.parametrize(("host", "key", "words"), [("0.0.0.0", None, "anybody"), ("::", "secret", "knows the key")])
def test_serving_beyond_this_machine_is_said(host, key, words):
    assert words in start.sentence(host, key)
    assert start.sentence("127.0.0.1", key) == start.sentence("::1", key) == start.sentence("localhost", key) == ""


@pytest.fixture(scope="module")
def table_run(tmp_path_factory):
    """A run on a table of the user's own: y = 3a - 2b + 1, exactly."""
    folder = tmp_path_factory.mktemp("table")
    rows = np.random.default_rng(0).normal(size=(40, 2))
    lines = [f"{a},{b},{3 * a - 2 * b + 1}" for a, b in rows]
    (folder / "table.csv").write_text("\n".join(["a,b,y", *lines]))
    overrides = ["data=csv", f"data.root={folder / 'table.csv'}", "data.target=y", "model=linear", "optimizer=lbfgs"]
    overrides += ["data.batch_size=64", "scheduler=none", "logger=none", "trainer.max_epochs=5", "trainer=cpu"]
    assert main([*overrides, f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


def test_the_best_weights_answer_rows_and_files_as_predict_does(table_run):
    from runner.job.served import load

    model = load(chosen(table_run, form="weights").description, 1, Limits())
    asked = [
        Request("predict", parts=[b'{"rows": [{"b": 1, "a": 0}, {"a": 2, "b": 0}]}']),
        Request("predict", names=[("new.csv", "text/csv")], parts=[b"b;a\n0;0\n"]),
        Request("predict", parts=[b'{"rows": [{"a": 0}]}']),
        Request("predict", parts=[b'{"rows": 3}']),
        Request("infer", parts=[b"{}"]),
    ]
    model.warm_up()
    answers = model.answer(asked)
    assert [each.status for each in answers] == [200, 200, 400, 400, 400]
    first, second, *rest = (json.loads(each.body) for each in answers)
    assert [each["prediction"] for each in first["predictions"]] == pytest.approx([-1, 7], abs=1e-3)
    assert second["predictions"][0]["prediction"] == pytest.approx(1, abs=1e-3)
    assert second["predictions"][0]["input"] == "new.csv"
    assert "rows.csv has no column 'b'" in rest[0]["error"]
    assert "Expected" in rest[1]["error"] and "POST /predict" in rest[2]["error"]
