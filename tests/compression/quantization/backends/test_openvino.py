"""OpenVINO, where it is installed: every layer in its int8 kernels, answers like the program's, refused files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from runner.cli.main import main
from runner.compression.files import openvino as openvino_runtime
from runner.compression.files.openvino import load_openvino, save_openvino
from runner.compression.quantization.analysis import analyse
from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.tracking.result import RunResult

for package in ("openvino", "nncf", "executorch", "onnxscript"):
    pytest.importorskip(package, reason="needs pip install 'runner[openvino]'")

INPUTS = torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(3))


def ten_channels() -> nn.Module:
    """Convolutions and a linear layer; first and last have as many channels, so they share zero points in ONNX."""
    torch.manual_seed(0)
    first = (nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU())
    return nn.Sequential(*first, nn.Conv2d(10, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(320, 10)).eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return ten_channels().to(memory_format=torch.channels_last)


@pytest.fixture(scope="module", params=["openvino", "x86_inductor"])
def quantized(network: nn.Module, request: pytest.FixtureRequest) -> QuantizedNetwork:
    return StaticRecipe(back_end=request.param).apply(network, [INPUTS])


def test_every_layer_runs_in_int8_and_answers_like_the_program(quantized: QuantizedNetwork, tmp_path: Path) -> None:
    kernels = save_openvino(quantized.program, INPUTS, tmp_path / "int8.xml")
    assert kernels == {"int8.conv": 2, "int8.linear": 1}
    run = load_openvino(tmp_path / "int8.xml")
    for batch in (INPUTS, INPUTS[:1]):
        assert sqnr(quantized(batch), run(batch)) > 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.bin", "int8.xml"]


def test_with_shared_zero_points_layers_still_run_in_float(
    quantized: QuantizedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When this fails, OpenVINO is mended and drop_zero_points can go."""
    monkeypatch.setattr(openvino_runtime, "drop_zero_points", lambda path: None)
    assert save_openvino(quantized.program, INPUTS, tmp_path / "int8.xml")["float.linear"] == 1


def test_a_float_network_runs_in_float32_there_too(network: nn.Module, tmp_path: Path) -> None:
    assert save_openvino(network, INPUTS, tmp_path / "float.xml") == {"float.conv": 2, "float.linear": 1}
    assert sqnr(network(INPUTS).detach(), load_openvino(tmp_path / "float.xml")(INPUTS)) > 100


def test_skipped_layers_stay_float_and_the_others_are_reached(network: nn.Module) -> None:
    recipe = StaticRecipe(back_end="openvino", selection=Selection(skip=("3",)))
    assert recipe.apply(network, [INPUTS]).reach.layers == ("0", "6")


def test_rounding_before_a_reshape_counts_for_the_layer_behind_it(network: nn.Module) -> None:
    quantized = StaticRecipe(back_end="openvino").apply(network, [INPUTS])
    reports = {report.layer: report for report in analyse(quantized, [INPUTS])}
    assert reports["6"].input is not None
    assert reports["6"].input.sqnr_db > 30
    simulated = SimulatedNetwork(quantized.prepared)
    assert {name: len(parts) for name, parts in simulated.layers.items()} == {"0": 2, "3": 2, "6": 2}
    everything = simulated.activate(set(simulated.layers))(INPUTS)
    assert sqnr(quantized(INPUTS), everything) > 50


def test_an_observer_that_would_be_ignored_is_refused(network: nn.Module) -> None:
    numerics = Numerics(activation_observer="percentile")
    with pytest.raises(RunnerError, match="openvino brings its own observers, which are histogram"):
        StaticRecipe(back_end="openvino", numerics=numerics).apply(network, [INPUTS])


class Attention(nn.Module):
    """Position embedding, layer norm, attention over four tokens, and a linear layer on the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, 4, 32))
        self.norm, self.qkv, self.head = nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = inputs.reshape(inputs.shape[0], 4, 32) + self.position
        parts = self.qkv(self.norm(tokens)).reshape(inputs.shape[0], 4, 3, 2, 16).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*parts.unbind(0))
        return self.head(tokens + mixed.transpose(1, 2).reshape(inputs.shape[0], 4, 32))[:, 0]


def test_attention_is_quantized_as_transformers_are() -> None:
    torch.manual_seed(0)
    network, inputs = Attention().eval(), torch.randn(8, 128)
    quantized = StaticRecipe(back_end="openvino").apply(network, [inputs])
    assert quantized.reach.layers == ("qkv", "head")
    assert sqnr(network(inputs).detach(), quantized(inputs)) > 30


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: halved(path),
        lambda path: halved(path.with_suffix(".bin")),
        lambda path: path.with_suffix(".bin").unlink(),
    ],
)
def test_damaged_files_say_what_to_do(network: nn.Module, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "float.xml"
    save_openvino(network, INPUTS, path)
    damage(path)
    with pytest.raises(RunnerError, match=r"float\.xml.*export it again"):
        load_openvino(path)


def test_one_command_quantizes_exports_times_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, table = tmp_path / "run", tmp_path / "table.csv"
    rows = torch.randn(120, 2, generator=torch.Generator().manual_seed(0)).tolist()
    table.write_text("a,b,y\n" + "".join(f"{a},{b},{3 * a - 2 * b}\n" for a, b in rows))
    overrides = [
        "data=csv",
        f"data.root={table}",
        "data.target=y",
        "trainer=cpu",
        "logger=none",
        "trainer.max_epochs=20",
    ]
    overrides += ["quantization=ptq_static", "quantization/backend=openvino", "export.formats=[openvino]"]
    overrides += ["benchmark.batch_sizes=[1]", "benchmark.runs=3", "optimizer.lr=0.01"]
    assert main([f"hydra.run.dir={run}", *overrides]) == 0
    result = RunResult.load(run / "result.json")
    files = [run / "artifacts" / name for name in ("int8.xml", "int8.bin")]
    assert result.artifacts["int8_openvino"].bytes == sum(file.stat().st_size for file in files)
    assert result.metrics["export/openvino/sqnr_db"] > 60
    assert result.metrics["benchmark/int8_openvino/latency_ms/batch_1"] > 0
    assert "int8_openvino is" in capsys.readouterr().out
    (tmp_path / "new.csv").write_text("b,a\n0,1\n1,0\n")
    answers = []
    for place in (run, files[0]):
        assert main(["predict", str(place), str(tmp_path / "new.csv")]) == 0
        answers.append([float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[1:]])
    assert answers[0] == pytest.approx(answers[1], abs=0.3)
