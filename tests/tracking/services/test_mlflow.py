"""MLflow's own client reads back what it was told."""

import json

import pytest

from runner.tracking.services.mlflow import MLflow

pytest.importorskip("mlflow", reason="pip install 'runner[mlflow]'")


@pytest.fixture
def client(monkeypatch, tmp_path):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda: MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def history(client, run, name):
    return [(each.step, each.value) for each in client.get_metric_history(run, name)]


def test_a_run_is_in_the_store_and_goes_on_there(run, client):
    directory, rows = run
    MLflow(str(directory)).push(rows)
    config = (directory / "config.yaml").read_text()
    (directory / "config.yaml").write_text(config.replace("0.1", "0.2"))
    rows.log_metrics({"train/loss": 0.0625, "epoch": 2}, step=17)
    (directory / "result.json").write_text(json.dumps({"metrics": {"val/accuracy": 0.25, "gain/size": 3.5}}))
    MLflow(str(directory)).push(rows, "done")
    store = client()
    (experiment,) = store.search_experiments(filter_string="name = 'runner'")
    (found,) = store.search_runs([experiment.experiment_id])
    name = found.info.run_id
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "run"
    assert found.data.params == {"seed": "1", "model.hidden": "[4, 2]", "optimizer.lr": "0.1"}
    assert found.data.tags["resumed.optimizer.lr"] == "0.2"
    assert history(store, name, "train/loss") == [(5, 0.5), (11, 0.125), (17, 0.0625)]
    assert history(store, name, "val/accuracy") == [(5, 0.25)]
    assert history(store, name, "gain/size") == [(0, 3.5)]
    assert {each.path for each in store.list_artifacts(name)} == {"artifacts", "config.yaml", "result.json"}
    assert [each.path for each in store.list_artifacts(name, "artifacts")] == ["artifacts/int8.onnx"]


def test_a_run_that_the_store_forgot_begins_anew(run, client):
    directory, rows = run
    MLflow(str(directory)).push(rows)
    noted = json.loads((directory / "tracking.json").read_text())
    noted["mlflow"]["run"] = "0" * 32
    (directory / "tracking.json").write_text(json.dumps(noted))
    MLflow(str(directory)).push(rows)
    again = json.loads((directory / "tracking.json").read_text())["mlflow"]["run"]
    assert history(client(), again, "train/loss") == [(5, 0.5), (11, 0.125)]


def test_the_runs_of_a_sweep_are_nested_in_one(run, client, tmp_path):
    directory, rows = run
    (tmp_path / "sweep.json").write_text("{}")
    directory.rename(tmp_path / "0")
    for name in ("0", "1"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "config.yaml").write_text("seed: 1\n")
        MLflow(str(tmp_path / name)).push(rows, "failed")
    found = client().search_runs([each.experiment_id for each in client().search_experiments()])
    parents = [each for each in found if "mlflow.parentRunId" not in each.data.tags]
    assert [each.info.run_name for each in parents] == [tmp_path.name]
    jobs = {each.info.run_name: each for each in found if each not in parents}
    assert {*jobs} == {f"{tmp_path.name}/0", f"{tmp_path.name}/1"}
    assert {each.data.tags["mlflow.parentRunId"] for each in jobs.values()} == {parents[0].info.run_id}
    assert {each.info.status for each in jobs.values()} == {"FAILED"}
