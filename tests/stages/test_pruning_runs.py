"""Pruning within runs: recorded, kept in checkpoints, resumed in its round, refused before training if at all."""

import csv
import json
import shutil

import pytest
import torch
from PIL import Image

from runner.cli.main import main
from runner.compression.files.sparse import load_sparse
from tests.support.runs import Run, differences

# Two rounds; six training steps, then six in each round.
PRUNING = ("model=cnn", "trainer.max_epochs=1", "stages=[fit,test,prune,test]", "pruning.rounds=2", "benchmark.runs=2")
CHANNEL = (*PRUNING, "pruning=channel", "pruning.macs=0.6")
MAGNITUDE = (*PRUNING, "pruning=magnitude", "pruning.ratio=0.7")


@pytest.fixture(scope="module")
def channel(tmp_path_factory, run_once) -> Run:
    return run_once(tmp_path_factory.mktemp("channel") / "run", *CHANNEL)


@pytest.fixture(scope="module")
def magnitude(tmp_path_factory, run_once) -> Run:
    return run_once(tmp_path_factory.mktemp("magnitude") / "run", *MAGNITUDE)


def weights(run: Run, name: str) -> dict[str, torch.Tensor]:
    return {key: each for key, each in run.checkpoint(name)["state_dict"].items() if each.dim() > 1}


def test_a_channel_run_reports_a_smaller_network_round_by_round(channel):
    result, metrics = channel.json("result"), channel.metrics
    rows = list(csv.DictReader((channel.path / "artifacts" / "pruning_rounds.csv").open()))
    assert [int(row["round"]) for row in rows] == [0, 1, 2]
    assert int(rows[0]["macs"]) > int(rows[1]["macs"]) > int(rows[2]["macs"]) == metrics["pruning/macs"]
    assert 0.6 <= metrics["pruning/macs_removed"] == 1 - int(rows[2]["macs"]) / int(rows[0]["macs"]) < 0.7
    assert result["parameters"] == int(rows[2]["parameters"]) < 0.6 * int(rows[0]["parameters"])
    assert {"pruned/accuracy", "pruning/val/accuracy", "pruning/untuned/val/accuracy"} <= metrics.keys()
    assert {"pruning_rounds", "pruning_rounds_picture"} == result["artifacts"].keys()
    assert result["checkpoint"] == "checkpoints/pruned.ckpt"


def test_the_pruned_network_is_what_the_run_ended_with(channel, train):
    """`checkpoint=RUN` rebuilds its shapes and answers the same; so do its curves have a place of their own."""
    again = train("model=cnn", f"checkpoint={channel.path}", "stages=[test]")
    assert again.metrics["test/accuracy"] == channel.metrics["pruned/accuracy"]
    assert again.json("result")["parameters"] == channel.json("result")["parameters"]
    assert {row[2] for row in channel.rows if row[2].startswith("pruned/round_2/")}


def test_the_last_round_can_be_tuned_for_longer(train):
    run = train(*MAGNITUDE, "pruning.fine_tune.epochs=0", "pruning.fine_tune.last_epochs=2", "stages=[fit,prune]")
    tuned = {(row[2].split("/")[1], row[1]) for row in run.rows if row[1] and row[2].startswith("pruned/")}
    assert tuned == {("round_2", "0"), ("round_2", "1")}


def test_pruning_goes_on_from_a_pruned_network(channel, train):
    # Rehearsed, pruned and kept as changes to a network that was changed already.
    more = (f"checkpoint={channel.path}", "stages=[prune,test]", "pruning.macs=0.3", "pruning.rounds=1")
    again = train(*CHANNEL, *more)
    assert len(again.checkpoint("pruned")["structure"]) == 2
    assert again.json("result")["parameters"] < channel.json("result")["parameters"]
    last = train("model=cnn", f"checkpoint={again.path}", "stages=[test]")
    assert last.metrics["test/accuracy"] == again.metrics["pruned/accuracy"]


@pytest.mark.parametrize("step", [9, 12, 15])
def test_a_run_killed_in_a_round_goes_on_in_it(channel, train_until_death, step):
    died = train_until_death(step, *CHANNEL)
    finished = died.path / "checkpoints" / "pruned" / "round_1.ckpt"
    assert finished.exists() == (step > 12)
    before = finished.read_bytes() if finished.exists() else None
    assert main(["resume", str(died.path)]) == 0
    assert before is None or finished.read_bytes() == before, "a finished round was made again"
    assert differences(weights(died, "pruned"), weights(channel, "pruned")) == []
    assert died.metrics["pruned/accuracy"] == channel.metrics["pruned/accuracy"]
    assert [row for row in died.rows if "pruned/round" in row[2]] == [
        row for row in channel.rows if "pruned/round" in row[2]
    ]


def test_a_run_killed_after_pruning_takes_over_what_it_made(channel, tmp_path, at_step):
    run = Run(tmp_path / "run")
    shutil.copytree(channel.path, run.path)
    run.declare_dead()
    status = run.json("status") | {"done": ["fit", "test", "prune"]}
    (run.path / "status.json").write_text(json.dumps(status))
    at_step(1, lambda: pytest.fail("it trained again"))
    assert main(["resume", str(run.path)]) == 0
    assert run.metrics["pruned/accuracy"] == channel.metrics["pruned/accuracy"]
    assert run.json("result")["parameters"] == channel.json("result")["parameters"]


def test_magnitude_keeps_its_zeros_and_says_what_they_save(magnitude, capsys):
    found = weights(magnitude, "pruned")
    total = sum(each.numel() for each in found.values())
    assert sum(int((each == 0).sum()) for each in found.values()) == round(0.7 * total)
    metrics = magnitude.metrics
    assert metrics["pruning/macs_removed"] == 0
    assert metrics["pruning/sparse_bytes"] < 0.5 * metrics["pruning/dense_bytes"]
    kept = {k.removeprefix("network."): v for k, v in all_weights(magnitude).items()}
    assert differences(load_sparse(magnitude.path / "artifacts" / "pruned_sparse.zip", kept), kept) == []


def test_the_sparse_file_predicts_and_is_a_checkpoint_like_the_run(magnitude, train, tmp_path, capsys):
    sparse = magnitude.path / "artifacts" / "pruned_sparse.zip"
    picture = tmp_path / "digit.png"
    Image.new("L", (28, 28), 90).save(picture)
    said = []
    for place in (magnitude.path, sparse):
        capsys.readouterr()
        assert main(["predict", str(place), str(picture)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    tested = [
        train("model=cnn", "stages=[test]", f"checkpoint={place}").metrics["test/accuracy"]
        for place in (magnitude.path, sparse)
    ]
    assert tested[0] == tested[1]


def test_a_damaged_sparse_file_is_refused_in_a_sentence(magnitude, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(magnitude.path, copy)
    sparse = copy / "artifacts" / "pruned_sparse.zip"
    sparse.write_bytes(sparse.read_bytes()[:-100])
    assert main(["predict", str(sparse), str(sparse)]) == 2
    assert "damaged or no sparse file" in capsys.readouterr().err


def all_weights(run: Run) -> dict[str, torch.Tensor]:
    return run.checkpoint("pruned")["state_dict"]


def test_every_later_training_keeps_the_zeros(magnitude, train):
    again = train("model=cnn", "trainer.max_epochs=1", "optimizer.lr=0.01", f"checkpoint={magnitude.path}")
    before, after = weights(magnitude, "pruned"), weights(again, "best")
    for name, each in before.items():
        assert torch.equal(each == 0, after[name] == 0)
        assert not torch.equal(each, after[name])


def test_a_lottery_ticket_starts_from_the_weights_after_the_epoch_it_rewinds_to(train):
    lottery = ("pruning=lottery", "pruning.ratio=0.5", "pruning.rounds=1", "pruning.rewind_epoch=1")
    run = train("model=cnn", "trainer.max_epochs=2", "stages=[fit,prune]", "pruning.fine_tune.epochs=0", *lottery)
    early, trained, ticket = (weights(run, name) for name in ("epoch_1", "best", "pruned"))
    assert differences(early, trained)
    for name, each in ticket.items():
        assert torch.equal(each, early[name] * (each != 0))
    small = torch.cat([trained[name][each == 0].abs() for name, each in ticket.items()])
    large = torch.cat([trained[name][each != 0].abs() for name, each in ticket.items()])
    assert small.max() <= large.min()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["pruning=channel", "pruning.macs=0.999"], "would empty features."),
        (["pruning=channel", "pruning.skip=[featuers.0]"], "pruning.skip: No layer of CNN"),
        (["pruning=channel", "pruning.importance=bn_scale"], "has no batch norm behind the channels"),
        (["pruning=magnitude", "pruning.ratio=0.99999"], "would empty "),
        (
            ["pruning=channel", "model=torchvision", "model.name=shufflenet_v2_x0_5", "data.image_size=32"],
            "Torch-Pruning cannot trace",
        ),
    ],
)
def test_what_would_be_refused_after_training_is_refused_before_it(train, capsys, tmp_path, overrides, words):
    train(*PRUNING, *overrides, status=2)
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("run*/checkpoints/*"))


def test_a_lottery_without_early_weights_is_refused(channel, train, capsys):
    train("model=cnn", "pruning=lottery", f"checkpoint={channel.path}", "stages=[prune]", status=2)
    assert "goes back to the weights after epoch 0" in capsys.readouterr().err
