"""Weight-only recipes on the same path as training: tested, exported, measured, and packed files that predict."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from runner.cli.main import main
from runner.compression.files.packed import read
from runner.compression.quantization.weights.number_formats import FormatRecipe
from runner.compression.quantization.weights.weight_only import WeightOnlyRecipe
from runner.config.compose import compose
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.tracking.result import RunResult

KINDS = ("packed", "program")
TRAIN = ["data=digits", "trainer=cpu", "logger=none", "benchmark.bf16=false"]


def run(directory: Path, *overrides: str) -> RunResult:
    """One run in process; the result it wrote."""
    assert main([f"hydra.run.dir={directory}", *TRAIN, *overrides]) == 0
    return RunResult.load(directory / "result.json")


@pytest.fixture(scope="module")
def int4(tmp_path_factory):
    """A finished quantization=weight_int4 run on digits."""
    overrides = ["model=resnet", "quantization=weight_int4", "trainer.max_epochs=4"]
    return run(
        tmp_path_factory.mktemp("int4") / "run",
        *overrides,
        "benchmark.batch_sizes=[64]",
        "benchmark.runs=3",
        "benchmark.seconds=0.01",
    )


def test_four_bits_lose_at_most_one_test_digit(int4):
    assert int4.metrics["test/accuracy"] > 0.9
    assert int4.metrics["test/accuracy"] - int4.metrics["compressed/accuracy"] < 1.5 / 359
    assert int4.metrics["compressed/coded_layers"] == 7


def test_both_files_answer_exactly_and_the_packed_one_is_a_sixth_of_float(int4):
    assert int4.metrics["export/program/sqnr_db"] == int4.metrics["export/packed/sqnr_db"] == 200
    weights = 4 * 41_514
    assert int4.artifacts["int4_weights_packed"].bytes < 0.17 * weights
    assert int4.artifacts["int4_weights_packed"].bytes < 0.18 * int4.artifacts["float_program"].bytes
    assert int4.metrics["compressed/share_of_float_memory"] < 0.15


def test_it_is_timed_compiled_and_packed_beside_the_same_float_baselines(int4):
    timed = {name.split("/")[1] for name in int4.metrics if "/latency_ms/" in name}
    assert timed == {"eager", "compiled", "int4_weights", "int4_weights_eager"}
    assert int4.metrics["benchmark/int4_weights/equal_predictions"] > 0.98


def test_the_packed_file_predicts_what_the_run_predicts(int4, tmp_path, capsys):
    digits = load_digits()
    pixels = (digits.images[-1] * (255 / 16)).round().astype(np.uint8)
    Image.fromarray(pixels).resize((28, 28), Image.Resampling.BICUBIC).save(tmp_path / "digit.png")
    directory, said = Path(int4.run_directory), []
    for place in (
        directory,
        *(directory / int4.artifacts[f"int4_weights_{each}"].path for each in ("packed", "program")),
    ):
        assert main(["predict", str(place), str(tmp_path / "digit.png")]) == 0
        said.append(capsys.readouterr().out.splitlines()[1].split())
    assert [words[1] for words in said] == [str(digits.target[-1])] * 3
    assert said[1] == said[2]


def test_the_packed_file_knows_its_recipe(int4):
    header, _ = read(Path(int4.run_directory) / int4.artifacts["int4_weights_packed"].path)
    assert header.settings == {"bits": 4, "group_size": 32, "activation": "float32", "rounding": "gptq"}
    assert header.metadata == {
        "input_shape": [1, 28, 28],
        "inputs": {"dtype": "float32", "shape": [1, 28, 28]},
        "outputs": {"dtype": "float32", "shape": [10]},
    }


def test_integer_products_are_proven_after_lowering():
    small = WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Linear(32, 16)))
    rows = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    eager = small(rows)
    assert sqnr(eager, small.lower(rows)(rows)) > 50


def test_products_that_came_out_in_float_are_refused(uncompiled):
    small = WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Linear(32, 16), nn.Linear(16, 4)))
    with pytest.raises(RunnerError, match="2 of 2 int8 products run in float"):
        small.lower(torch.ones(4, 32))


def test_a_compiled_network_keeps_its_number_format(uncompiled):
    network = nn.Sequential(nn.Linear(32, 16)).eval()
    small = FormatRecipe("bfloat16").apply(network)
    rows = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    answers = small.lower(rows)(rows)
    assert small.compiled.dtype == torch.bfloat16
    assert answers.dtype == torch.float32
    assert 35 < sqnr(network(rows), answers) < 70


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["quantization=weight_int4", "quantization.bits=3"], "bits=3: must be 2, 4 or 8"),
        (["quantization=weight_int4", "quantization.group_size=0"], "at least 1 or null"),
        (["quantization=weight_int4", "quantization.rounding=up"], "one of nearest, mse, gptq"),
        (["quantization=weight_int4", "quantization.activation=int8"], "needs bits=8 and group_size=null, not bits=4"),
        (["quantization=kmeans", "quantization.clusters=1"], "from 2 to 256"),
        (["quantization=bf16", "quantization.dtype=float8"], "one of bfloat16, float16"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(overrides, words):
    with pytest.raises(RunnerError, match=words):
        compose(overrides)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=resnet", "quantization=weight_int4", "quantization.skip=[haed]"], "Did you mean head"),
        (["model=resnet", "quantization=weight_int8", "export.formats=[onnx]"], "onnx cannot hold weights in few bits"),
        (["model=resnet", "quantization=ptq_static", "export.formats=[packed]"], "packed cannot hold static int8"),
    ],
)
def test_what_compress_and_export_would_refuse_is_refused_before_training(overrides, words, tmp_path, capsys):
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *TRAIN, *overrides]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
