"""The benchmark's claims: which program it calls int8, and what it says about it."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from runner.compression.quantization.program.lower import CompiledProgram
from runner.compression.quantization.recipes import StaticRecipe
from runner.errors import RunnerError
from runner.measure.latency import Latency, verdict
from runner.stages.benchmark import gains, ready, save_float
from runner.stages.parts.exported import Exported, agreement_of_outputs
from runner.tracking.result import ArtifactFile

INPUTS = torch.linspace(-1, 1, 4 * 36).reshape(4, 1, 6, 6)


@pytest.fixture(scope="module")
def int8() -> CompiledProgram:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()
    return CompiledProgram(StaticRecipe().apply(network, [INPUTS]).program)


@pytest.fixture
def compiled_to(monkeypatch):
    """Compiling gives these kernels, and takes no time."""

    def install(**kernels: int) -> None:
        def compile_for(program: CompiledProgram, inputs: torch.Tensor) -> CompiledProgram:
            program.kernels[len(inputs)] = Counter(kernels)
            return program

        monkeypatch.setattr(CompiledProgram, "compile_for", compile_for)
        monkeypatch.setattr(CompiledProgram, "bare", lambda program, batch: program)

    return install


def test_a_batch_size_at_which_int8_runs_in_float_is_told_and_not_timed(int8, compiled_to):
    compiled_to(qconv2d_pointwise=1, addmm=1)
    fitting, remarks = ready({"eager": torch.sum, "int8": int8}, INPUTS, {})
    assert set(fitting) == {"eager"}
    assert remarks[0].startswith("Batch 4: 1 of 1 linear operators still run in float although they were quantized")
    assert remarks[0].endswith("It is not timed as int8.")


def test_a_batch_size_at_which_int8_is_proven_is_timed_and_told(int8, compiled_to):
    compiled_to(qconv2d_pointwise=1, qlinear_pointwise=1)
    fitting, remarks = ready({"eager": torch.sum, "int8": int8}, INPUTS, {})
    assert set(fitting) == {"eager", "int8"}
    assert remarks == ["Batch 4: int8 runs 1 conv, 1 linear in int8 and none in float."]


def test_int8_that_runs_in_another_runtime_only_is_named_with_it():
    said = verdict({"eager": 4.0, "compiled": 2.0, "int8_openvino": 1.0}, 8)
    assert said[0] == "Batch 8: int8_openvino is 2.00 times as fast as compiled float32."
    assert verdict({"eager": 4.0, "compiled": 2.0}, 8) == [
        "Batch 8: compiling makes the float network 2.00 times as fast as eager."
    ]


def test_a_runtime_that_rounds_in_other_places_is_judged_by_the_float_network():
    program = INPUTS + 0.05 * torch.linspace(-1, 1, INPUTS.numel()).reshape(INPUTS.shape).sign()
    elsewhere, far = INPUTS - (program - INPUTS), INPUTS + 2 * (program - INPUTS)
    compressed = SimpleNamespace(program=lambda inputs: program, recipe="static")
    exported = Exported("int8", nn.Identity(), compressed)
    assert agreement_of_outputs(exported, Path("int8.onnx"), INPUTS, elsewhere) < 25
    with pytest.raises(RunnerError, match="answers differently"):
        agreement_of_outputs(exported, Path("int8.onnx"), INPUTS, far)


def test_the_gains_are_those_of_what_the_network_is_called_in_the_end():
    times = {"compiled": 4.0, "pruned": 2.0, "int4_weights": 1.0}
    rows = {16: {name: Latency(each, each, each, each, 1) for name, each in times.items()}}
    sizes = {"float_program": 1000, "pruned_program": 500, "int4_weights_program": 300, "int4_weights_packed": 125}
    assert gains("int4_weights", rows, sizes) == {"gain/size": 8.0, "gain/speed/batch_16": 4.0}
    assert gains("pruned", rows, sizes) == {"gain/size": 2.0, "gain/speed/batch_16": 2.0}
    assert gains("float", rows, sizes) == {}


def test_every_network_that_was_made_is_judged_against_the_compiled_one():
    said = verdict({"eager": 4.0, "compiled": 2.0, "pruned": 1.0, "int8": 2.5}, 8, ["pruned", "int8"])
    assert said[0] == "Batch 8: pruned is 2.00 times as fast as compiled float32."
    assert said[1].startswith("Batch 8: int8 is slower than compiled float32 here (2.5 against 2 ms).")


def test_a_float_program_that_a_killed_benchmark_left_is_written_and_recorded_again(tmp_path):
    results = SimpleNamespace(artifacts={})
    context = SimpleNamespace(
        artifacts=tmp_path,
        artifact=lambda path: ArtifactFile(path.name, path.stat().st_size),
        example=lambda: INPUTS[:2],
        results=results,
    )
    network = nn.Flatten()
    (tmp_path / "float.pt2").write_bytes(b"of a benchmark that was killed")
    saved = save_float(context, "float", network)
    assert saved["float_program"].bytes == (tmp_path / "float.pt2").stat().st_size > 1000
    results.artifacts |= saved
    assert save_float(context, "float", network) == {}
