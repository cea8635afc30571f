"""Graphs go the way of everything else: check, run, resume, predict, sample; senseless pairs are refused."""

import csv
import json

import pytest

from runner.cli.main import main
from runner.tracking.signals import Interrupted

TESTED = 30  # members of the club whose side no training sees


def result(path):
    return json.loads((path / "result.json").read_text())


@pytest.fixture(scope="module")
def karate(tmp_path_factory):
    """A finished run of the preset, with its predictions."""
    path = tmp_path_factory.mktemp("karate") / "run"
    assert main(["experiment=karate", "stages=[fit,test,predict]", "logger=both", f"hydra.run.dir={path}"]) == 0
    return path


def test_all_other_members_are_right(karate):
    assert result(karate)["metrics"]["test/accuracy"] == 1.0


def test_the_table_of_predictions_names_the_nodes(karate):
    with (karate / "artifacts" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and {row["node"] for row in rows}.isdisjoint({"0", "33", "8", "30"})
    assert all(row["target"] == row["prediction"] for row in rows)


def test_predict_without_files_answers_for_every_node(karate, capsys):
    assert main(["predict", str(karate)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["node", "target", "prediction", "probability"]
    assert [line.split()[0] for line in lines[1:]] == [str(node) for node in range(34)]


def test_predict_with_files_is_refused_for_nodes(karate, tmp_path, capsys):
    (tmp_path / "graph.json").write_text("{}")
    assert main(["predict", str(karate), str(tmp_path / "graph.json")]) == 2
    assert "knows the nodes of its own graph only" in capsys.readouterr().err


def test_the_pictures_are_in_tensorboard(karate):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(karate / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert {"test/graph", "test/degrees", "test/adjacency", "test/confusion_matrix"} <= set(events.Tags()["images"])


def test_graphs_of_the_users_own_are_predicted(tmp_path, capsys):
    path, ring = tmp_path / "run", tmp_path / "ring.json"
    shape = ["data=generated_graphs", "data.graphs_a_class=20", "trainer.max_epochs=2", "logger=csv"]
    assert main([*shape, f"hydra.run.dir={path}", "stages=[fit,test,predict]"]) == 0
    ring.write_text(json.dumps({"nodes": 3, "edges": [[0, 1], [1, 2], [2, 0]]}))
    capsys.readouterr()
    assert main(["predict", str(path), str(ring)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(str(ring))
    assert main(["predict", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 24


def test_a_sampled_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    common = ["data=karate", "data/sampling=neighbor", "data.batch_size=2", "data.sampling.fanouts=[2,2]"]
    common += ["trainer.max_epochs=4", "logger=csv", "trainer=cpu"]
    assert main([*common, f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    from runner.tasks.graphs import NodeClassification

    original, steps = NodeClassification.training_step, []

    def interrupting(self, batch, batch_idx):
        steps.append(batch_idx)
        if len(steps) == 5:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(NodeClassification, "training_step", interrupting)
    status = main([*common, f"hydra.run.dir={tmp_path / 'cut'}"])
    assert status == Interrupted(15).exit_status
    assert main(["resume", str(tmp_path / "cut")]) == 0
    assert result(tmp_path / "cut")["metrics"] == result(tmp_path / "whole")["metrics"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=resnet", "data=cora"], "takes image data, not graph. Networks that take it: chebnet, deep_gcn"),
        (["model=gcn", "data=mnist"], "takes graph data, not image"),
        (["model=readout_sum", "data=cora"], "takes graphs data, not graph"),
        (["model=gat", "data=generated_graphs"], "takes graph data, not graphs"),
        (["data=karate", "task=classification"], "the targets of this data are for node_classification"),
        (["data=mutag", "task=node_classification"], "the targets of this data are for graph_classification"),
        (["data=digits", "task=graph_classification"], "this task is for graphs data, not image"),
        (["data=karate", "model=gat", "data/sampling=layer"], "this network does not take the estimates"),
        (["data=karate", "model.num_layers=3", "data/sampling=layer"], "one number for each of the network's 3 layers"),
        (["data=karate", "data.num_classes=3"], "2 (sides) or 4 (communities)"),
        (["data=digits", "data/sampling=neighbor"], "data/sampling"),
    ],
)
def test_senseless_pairs_are_refused(overrides, words, capsys):
    assert main(["check", *overrides]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("strategy", ["full", "neighbor", "layer", "cluster", "saint_node", "saint_edge", "saint_walk"])
def test_every_strategy_trains_and_tells_what_an_epoch_costs(strategy, tmp_path):
    small = {"cluster": ["data.sampling.clusters=4", "data.sampling.clusters_a_batch=2"]}.get(strategy, [])
    small += ["data.batch_size=8"] if strategy.startswith("saint") else []
    costs = ["callbacks=[checkpoint,epoch_cost]", "logger=csv", "trainer.max_epochs=2", f"hydra.run.dir={tmp_path}/run"]
    assert main(["data=karate", f"data/sampling={strategy}", *small, *costs]) == 0
    found = result(tmp_path / "run")
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    seconds = [float(row["value"]) for row in rows if row["metric"] == "train/epoch_seconds"]
    assert len(seconds) == len([row for row in rows if row["metric"] == "train/epoch_memory_bytes"]) == 2
    assert 0 < sum(seconds) < found["seconds"]["fit"]
    right = found["metrics"]["test/accuracy"] * TESTED
    assert right == pytest.approx(round(right), abs=1e-4)
