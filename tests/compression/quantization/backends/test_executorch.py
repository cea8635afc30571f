"""ExecuTorch, where it is installed: every layer goes to XNNPACK, and the file answers like the program."""

from pathlib import Path

import pytest
import torch
from torch import nn

from runner.cli.main import main
from runner.compression.files import runtimes as package
from runner.compression.files.formats import run_in_batches
from runner.compression.files.runtimes import load_executorch, save_executorch
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, Recipe, StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.tracking.result import RunResult

pytest.importorskip("executorch", reason="needs pip install 'runner[executorch]'")

INPUTS = torch.randn(6, 1, 12, 12, generator=torch.Generator().manual_seed(3))
RECIPES: dict[str, Recipe] = {
    "static": StaticRecipe(back_end="xnnpack"),
    "dynamic": DynamicRecipe(back_end="xnnpack"),
    "qat": QATRecipe(back_end="xnnpack"),
}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Channels last, as every run trains; the weight of the 1x1 convolution has both layouts at once."""
    torch.manual_seed(0)
    first = (nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
    layers = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(200, 10)).eval()
    return layers.to(memory_format=torch.channels_last)


def quantize(recipe: str, network: nn.Module) -> QuantizedNetwork:
    return RECIPES[recipe].apply(network, [INPUTS], fine_tune=lambda prepared: None)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_file_answers_like_the_program(recipe: str, network: nn.Module, tmp_path: Path) -> None:
    quantized = quantize(recipe, network)
    save_executorch(quantized.program, INPUTS[:1], tmp_path / "int8.pte")
    got = run_in_batches(1, load_executorch(tmp_path / "int8.pte"), INPUTS, 6)
    assert sqnr(quantized(INPUTS), got) > 40


@pytest.mark.parametrize("recipe", ["static", "qat"])
def test_relu6_is_rounded_behind_the_clamp(recipe: str, tmp_path: Path) -> None:
    """executorch's own quantizer rounds what reaches ReLU6, here up to 900, of which 6 is kept."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU6())
    network = nn.Sequential(first, nn.Conv2d(8, 4, 3)).eval()
    with torch.no_grad():
        first[0].weight.mul_(400)
    quantized = quantize(recipe, network)
    assert sqnr(network(INPUTS).detach(), quantized(INPUTS)) > 25  # 17 before the clamp
    save_executorch(quantized.program, INPUTS[:1], tmp_path / "int8.pte")
    assert sqnr(quantized(INPUTS[:1]), load_executorch(tmp_path / "int8.pte")(INPUTS[:1])) > 40


def test_a_pool_that_shares_its_range_with_a_folded_batch_norm_is_converted() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)).eval()
    assert sqnr(network(INPUTS).detach(), quantize("qat", network)(INPUTS)) > 30


def test_xnnpack_still_gives_up_on_channels_last(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When this fails, ExecuTorch is mended and row_major can go."""
    quantized = quantize("static", network)
    monkeypatch.setattr(package, "row_major", lambda program: program)
    with pytest.raises(Exception, match="ChannelsLastTaggedReshapePass"):
        save_executorch(quantized.program, INPUTS[:1], tmp_path / "int8.pte")


def test_a_program_for_another_back_end_is_refused(network: nn.Module, tmp_path: Path) -> None:
    program = StaticRecipe().apply(network, [INPUTS]).program
    with pytest.raises(
        RunnerError, match=r"int8.pte: XNNPACK does not take 1 aten.addmm.* quantization/backend=xnnpack"
    ):
        save_executorch(program, INPUTS[:1], tmp_path / "int8.pte")


def test_a_damaged_file_says_what_to_do(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "float.pte"
    save_executorch(network, INPUTS[:1], path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunnerError, match=r"float\.pte.*export it again"):
        load_executorch(path)


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
    overrides += ["quantization=ptq_static", "quantization/backend=xnnpack", "export.formats=[executorch]"]
    overrides += ["benchmark.batch_sizes=[1]", "benchmark.runs=3", "optimizer.lr=0.01"]
    assert main([f"hydra.run.dir={run}", *overrides]) == 0
    result = RunResult.load(run / "result.json")
    assert result.metrics["export/executorch/sqnr_db"] > 60
    assert result.metrics["benchmark/int8_executorch/latency_ms/batch_1"] > 0
    (tmp_path / "new.csv").write_text("b,a\n0,1\n1,0\n")
    answers = []
    capsys.readouterr()
    for place in (run, run / "artifacts" / "int8.pte"):
        assert main(["predict", str(place), str(tmp_path / "new.csv")]) == 0
        answers.append([float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[1:]])
    assert answers[0] == pytest.approx(answers[1], abs=0.3)
