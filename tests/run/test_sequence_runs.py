"""Runs over sequences: recorded, resumed, quantized and asked like any other."""

import csv

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from runner.cli.main import main
from runner.compression.quantization.program.network import QuantizedNetwork
from tests.support.runs import Run, assert_same_run

NAMES = ("data=fake_names", "data.most=40", "model=gru", "model.hidden=16", "model.embedding=12", "model.dropout=0.1")
NARROW = ("data=fake_names", "data.most=40", "data.max_length=12", "model=transformer", "model.width=32")


@pytest.fixture(scope="module")
def names_run(tmp_path_factory, run_once) -> Run:
    """A short run on names, with TensorBoard."""
    path = tmp_path_factory.mktemp("names") / "run"
    return run_once(path, *NARROW, "model.layers=1", "logger=both", "trainer.max_epochs=1")


def tags(run: Run, kind: str) -> list[str]:
    return EventAccumulator(str(run.path / "tensorboard"), {kind: 0}).Reload().Tags()[kind]


def test_padding_and_confusions_are_recorded(names_run):
    assert 0 < names_run.metrics["data/padding_share"] < 0.3
    assert "data/padding_share" in {row[2] for row in names_run.rows}
    assert {"test/top_confusions", "val/top_confusions", "test/confusion_matrix"} <= set(tags(names_run, "images"))


def test_the_spelled_word_is_text_after_every_epoch(tmp_path, run_once):
    run = run_once(tmp_path / "run", "data=hello", "optimizer.lr=0.1", "logger=both")
    events = EventAccumulator(str(run.path / "tensorboard"), {"tensors": 0}).Reload()
    words = [each.tensor_proto.string_val[0].decode() for each in events.Tensors("val/spelled/text_summary")]
    assert len(words) == 3
    assert all(len(word) == 5 and set(word) <= set("ehlo") for word in words)
    assert "epoch 3 spells" in (run.path / "run.log").read_text()


def test_a_run_stopped_between_buckets_goes_on_bit_exactly(train, train_until_death):
    whole = train(*NAMES)
    killed = train_until_death(9, *NAMES)
    assert main(["resume", str(killed.path)]) == 0
    assert_same_run(Run(killed.path), whole)


def test_names_of_ones_own_are_predicted(names_run, tmp_path):
    (tmp_path / "names.txt").write_text("Müller\nRossi\n", encoding="utf-8")
    assert main(["predict", str(names_run.path), str(tmp_path / "names.txt"), "-o", str(tmp_path / "out.csv")]) == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["Muller", "Rossi"]
    assert all(0 < float(row["probability"]) <= 1 for row in rows)


def test_a_name_that_cannot_be_read_is_told_on_the_command_line(names_run, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("Rossi\nИванов\n", encoding="utf-8")
    assert main(["predict", str(names_run.path), str(tmp_path / "names.txt")]) == 2
    assert "names.txt, line 2: 'Иванов' has" in capsys.readouterr().err


def test_names_are_quantized_and_the_file_answers_like_the_run(names_run, tmp_path, train, monkeypatch):
    # Compiling takes long; the program runs as it was converted.
    monkeypatch.setattr(QuantizedNetwork, "can_lower", property(lambda network: False))
    stages = ["stages=[compress,test,export]", "export.formats=[program]", "quantization.calibration.batches=1"]
    quantized = train(*NARROW, "model.layers=1", "quantization=ptq_dynamic", f"checkpoint={names_run.path}", *stages)
    assert quantized.metrics["compressed/int8_operators"] == 7
    assert quantized.metrics["compressed/int8_share_of_macs"] > 0.9
    assert quantized.metrics["compressed/accuracy"] == pytest.approx(names_run.metrics["test/accuracy"], abs=0.05)
    (tmp_path / "names.txt").write_text("Bo\nRossi\n")
    program = quantized.path / "artifacts" / "int8.pt2"
    assert main(["predict", str(program), str(tmp_path / "names.txt"), "-o", str(tmp_path / "out.csv")]) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("model", ["rnn", "rnn_cell"])
def test_cells_without_integer_kernels_are_refused_before_training(train, capsys, model):
    run = train("data=hello", f"model={model}", "quantization=ptq_dynamic", status=2)
    assert "no back end has integer kernels for recurrent cells" in capsys.readouterr().err
    assert "fit" not in run.json("status").get("done", [])
