"""Compression on the same path as training: one command from data to a proven, measured, reloadable int8 program."""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from runner.cli.main import main
from runner.tracking.result import RunResult

TRAIN = ["trainer.max_epochs=4", "trainer=cpu", "logger=csv"]
QUICK = ["benchmark.batch_sizes=[1]", "benchmark.runs=3", "benchmark.seconds=0.01", "benchmark.bf16=false"]
QUICK += ["quantization.calibration.batches=4"]


def run(directory: Path, *overrides: str) -> RunResult:
    """One run in process; the result it wrote."""
    assert main([f"hydra.run.dir={directory}", *TRAIN, *overrides]) == 0
    return RunResult.load(directory / "result.json")


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """A finished quantization=ptq_static run on digits."""
    directory = tmp_path_factory.mktemp("static") / "run"
    return run(directory, "quantization=ptq_static", "quantization.sensitivity=true", *QUICK)


def test_static_int8_loses_at_most_one_test_digit(static):
    digits = 359
    assert static.metrics["test/accuracy"] > 0.9
    assert (static.metrics["test/accuracy"] - static.metrics["compressed/accuracy"]) * digits < 1.5


def test_every_operator_is_integer_and_proven_after_lowering(static):
    assert static.metrics["compressed/int8_operators"] == 7
    assert static.metrics["compressed/int8_share_of_macs"] == 1.0
    assert static.metrics["compressed/kernels/int8/conv"] == 6
    assert static.metrics["compressed/kernels/int8/linear"] == 1
    assert "compressed/kernels/float/conv" not in static.metrics


def test_the_benchmark_names_its_baselines_and_says_what_the_numbers_mean(static):
    directory = Path(static.run_directory)
    recorded = json.loads((directory / "artifacts" / "benchmark.json").read_text())
    assert {"eager", "compiled", "int8"} <= set(recorded["latency_ms"]["1"])
    assert recorded["verdict"]
    assert all(line.startswith("Batch 1:") for line in recorded["verdict"])
    assert static.metrics["benchmark/int8/equal_predictions"] > 0.98
    assert static.metrics["benchmark/compiled/equal_predictions"] == 1.0


def test_the_program_on_disk_is_smaller_and_holds_no_float_weights(static):
    sizes = {name: each.bytes for name, each in static.artifacts.items()}
    assert sizes["int8_program"] < 0.75 * sizes["float_program"]  # 41,514 weights: graph and scales are a half of it
    stored = torch.export.load(Path(static.run_directory) / static.artifacts["int8_program"].path).state_dict
    assert not [name for name, value in stored.items() if value.dtype == torch.float32 and value.dim() == 4]


def test_the_table_of_layers_has_every_layer_with_its_sensitivity(static):
    path = Path(static.run_directory) / static.artifacts["quantization_layers"].path
    rows = list(csv.DictReader(path.open()))
    assert [row["layer"] for row in rows][:2] == ["features.0", "features.3.residual.0"]
    assert len(rows) == 7
    assert all(float(row["output_sqnr_db"]) > 15 and float(row["weight_sqnr_db"]) > 30 for row in rows)
    assert all(0 <= float(row["metric_only_this"]) <= 1 for row in rows)


def test_another_process_runs_the_program_bit_for_bit(static, tmp_path):
    directory = Path(static.run_directory)
    program = directory / static.artifacts["int8_program"].path
    script = (
        "import sys, torch\nfrom pathlib import Path\n"
        "from runner.compression.files.program import load_program\n"
        "inputs, out = sys.argv[2:]\n"
        "torch.save(load_program(Path(sys.argv[1])).program(torch.load(inputs)), out)\n"
    )
    inputs = torch.linspace(-1, 2, 5 * 28 * 28).reshape(5, 1, 28, 28)
    torch.save(inputs, tmp_path / "in.pt")
    subprocess.run([sys.executable, "-c", script, program, tmp_path / "in.pt", tmp_path / "out.pt"], check=True)
    from runner.compression.files.program import load_program

    assert torch.equal(torch.load(tmp_path / "out.pt"), load_program(program).program(inputs))


def test_predict_takes_a_run_directory_or_any_exported_file(static, tmp_path, capsys):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index in range(3):
        Image.fromarray((digits.images[index] * 15).astype("uint8")).resize((28, 28)).save(tmp_path / f"{index}.png")
    images = [str(tmp_path / f"{index}.png") for index in range(3)]
    directory = Path(static.run_directory)
    answers = []
    for name in ("", *(each.path for key, each in static.artifacts.items() if key.startswith("int8"))):
        assert main(["predict", str(directory / name), *images]) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
        answers.append([row[1] for row in rows])
    assert len(answers) >= 3
    assert all(each == answers[0] for each in answers)


def test_a_finished_run_is_compressed_without_training_again(static, tmp_path):
    result = run(
        tmp_path / "again",
        f"checkpoint={static.run_directory}",
        "stages=[compress,test]",
        "quantization=ptq_static",
        *QUICK,
    )
    assert "fit" not in result.seconds
    assert result.metrics["compressed/accuracy"] == static.metrics["compressed/accuracy"]


def test_qat_fine_tunes_from_the_trained_network(static, tmp_path):
    result = run(
        tmp_path / "qat",
        f"checkpoint={static.run_directory}",
        "stages=[compress,test]",
        "quantization=qat",
        "quantization.fine_tune.epochs=2",
        *QUICK,
    )
    assert result.metrics["compressed/accuracy"] >= static.metrics["test/accuracy"] - 1.5 / 359
    assert result.metrics["qat/val/accuracy"] > 0.9
    assert (Path(result.run_directory) / "checkpoints" / "qat" / "best.ckpt").is_file()


def test_dynamic_reaches_the_linear_layers_of_a_perceptron(tmp_path):
    result = run(tmp_path / "dynamic", "model=mlp", "quantization=ptq_dynamic", "stages=[fit,test,compress,test]")
    assert result.metrics["compressed/int8_operators"] == 5
    assert abs(result.metrics["compressed/accuracy"] - result.metrics["test/accuracy"]) * 359 < 2.5


def test_mixed_precision_keeps_the_drop_within_bounds(static, tmp_path, capsys):
    result = run(
        tmp_path / "mixed",
        f"checkpoint={static.run_directory}",
        "stages=[compress,test]",
        "quantization=ptq_mixed",
        "quantization.max_drop=0.01",
        *QUICK,
    )
    assert "Left in float:" in capsys.readouterr().out
    assert result.metrics["compressed/accuracy"] > 0.9


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["quantization=qat", "quantization/backend=xpu"], ["xpu cannot do the recipe 'qat'", "static"]),
        pytest.param(
            ["quantization=ptq_static", "quantization/backend=openvino"],
            ["not installed", "runner[openvino]"],
            marks=pytest.mark.skipif(find_spec("nncf") is not None, reason="it is installed"),
        ),
        (["stages=[fit,compress]"], ["needs a recipe", "quantization=ptq_static"]),
        (["quantization=ptq_static", "quantization.calibration.batches=0"], ["batches=0", "at least 1"]),
        (["quantization=ptq_static", "quantization.skip=[hed]"], ["'hed'", "head"]),
        (["quantization=ptq_dynamic", "model=resnet", "quantization.skip=[head]"], ["dynamic", "static"]),
        (["quantization=ptq_static", "export.formats=[onx]", "stages=[fit,export]"], ["no format onx", "onnx"]),
        (["stages=[fit,compress,compress]", "quantization=ptq_static"], ["compress can change the network once"]),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(overrides, words, tmp_path, capsys):
    quick = ["trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.max_epochs=1", "logger=none"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *quick, *overrides]) == 2
    message = capsys.readouterr().err
    for word in words:
        assert word in message
    assert "Traceback" not in message
