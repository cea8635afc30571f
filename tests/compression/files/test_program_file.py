"""Artifacts: exact after reload in a new process, and refused when damaged, foreign or unsafe."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from runner.compression.files.program import exported_once, inspect_program, load_program, save_program
from runner.compression.files.runtimes import (
    load_aot,
    load_onnx,
    save_aot,
    save_executorch,
    save_onnx,
    save_onnx_dynamic,
)
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr


@pytest.fixture(scope="module")
def saved(static: QuantizedNetwork, images: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_program(static.program, images, tmp_path_factory.mktemp("artifact") / "int8.pt2", {"recipe": "static"})


def rewritten(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_a_new_process_answers_bit_exactly_for_any_batch(
    saved: Path, static: QuantizedNetwork, images: Tensor, tmp_path: Path
) -> None:
    torch.save(images, tmp_path / "in.pt")
    code = (
        "import sys, torch; from pathlib import Path\n"
        "from runner.compression.files.program import load_program\n"
        "path, folder = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "program, inputs = load_program(path).program, torch.load(folder / 'in.pt', weights_only=True)\n"
        "torch.save([program(inputs), program(inputs[:1]), program(inputs[:5])], folder / 'out.pt')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(saved), str(tmp_path)], check=True, capture_output=True)
    answers = torch.load(tmp_path / "out.pt", weights_only=True)
    for answer, inputs in zip(answers, (images, images[:1], images[:5]), strict=True):
        assert torch.equal(answer, static.program(inputs))


def test_the_file_holds_no_float_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 256)).eval()
    rows = torch.randn(4, 256)
    for recipe in (StaticRecipe(), DynamicRecipe()):
        path = save_program(recipe.apply(network, [rows]).program, rows, tmp_path / "small.pt2")
        assert path.stat().st_size < 0.3 * sum(4 * parameter.numel() for parameter in network.parameters())


def test_metadata_is_read_without_loading_the_program(saved: Path) -> None:
    metadata = inspect_program(saved)
    assert metadata["recipe"] == "static"
    assert (metadata["input_shape"], metadata["input_dtype"]) == ([1, 8, 8], "float32")


def test_damaged_missing_and_foreign_files_are_refused(saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    (tmp_path / "cut.pt2").write_bytes(content[: len(content) // 2])
    with zipfile.ZipFile(saved) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        start = largest.header_offset + largest.compress_size // 2
    content[start + 7] ^= 1
    (tmp_path / "flipped.pt2").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "foreign.pt2", "w") as archive:
        archive.writestr("a.json", "{}")
    for name, message in (
        ("cut", "damaged"),
        ("flipped", "damaged"),
        ("foreign", "not written by"),
        ("none", "no file"),
    ):
        with pytest.raises(RunnerError, match=message):
            load_program(tmp_path / f"{name}.pt2")


def test_a_file_of_another_version_is_refused(saved: Path, tmp_path: Path) -> None:
    def older(name: str, data: bytes) -> bytes:
        return json.dumps({**json.loads(data), "torch": "2.9.0"}).encode() if name.endswith("runner.json") else data

    with pytest.raises(RunnerError, match=r"written by torch 2\.9\.0 \(here 2\."):
        load_program(rewritten(saved, tmp_path / "older.pt2", older))


def test_files_that_would_be_unpickled_or_evaluated_are_refused(saved: Path, tmp_path: Path) -> None:
    def pickled(name: str, data: bytes) -> bytes:
        return data.replace(b'"use_pickle": false', b'"use_pickle": true').replace(
            b'"use_pickle":false', b'"use_pickle":true'
        )

    def evaluated(name: str, data: bytes) -> bytes:
        return data.replace(b"Symbol(", b"exit(") if name.endswith(".json") else data

    for change, message in ((pickled, "pickled objects"), (evaluated, "no arithmetic")):
        with pytest.raises(RunnerError, match=message):
            load_program(rewritten(saved, tmp_path / f"{change.__name__}.pt2", change))


def test_files_of_one_program_export_it_once_and_agree_with_it(
    static: QuantizedNetwork, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    counted = Mock(wraps=torch.export.export)
    monkeypatch.setattr(torch.export, "export", counted)
    with exported_once():
        save_program(static.program, images, tmp_path / "before.pt2")
        save_onnx(static.program, images, tmp_path / "int8.onnx")
        save_program(static.program, images, tmp_path / "after.pt2")
    assert counted.call_count == 1
    run = load_onnx(tmp_path / "int8.onnx", threads=1)
    assert sqnr(static.program(images), run(images)) > 50
    assert run(images[:1]).shape == (1, 10)
    for name in ("before", "after"):
        assert torch.equal(load_program(tmp_path / f"{name}.pt2").program(images), static.program(images))


def test_dynamic_recipes_go_through_onnx_runtime(
    dynamic: QuantizedNetwork, perceptron: nn.Module, rows: Tensor, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(RunnerError, match="cannot become ONNX"):  # choose_qparams has no ONNX function
        save_onnx(dynamic.program, rows, tmp_path / "no.onnx")
    run = load_onnx(save_onnx_dynamic(perceptron, rows, tmp_path / "yes.onnx"), threads=1)
    assert sqnr(perceptron(rows), run(rows)) > 30


def test_aot_package_runs_in_int8_because_it_is_frozen(perceptron: nn.Module, rows: Tensor, tmp_path: Path) -> None:
    program = StaticRecipe().apply(perceptron, [rows]).program
    kernels = save_aot(program, rows, tmp_path / "aot.pt2")
    assert sum(count for name, count in kernels.items() if "qlinear" in name) == 2
    assert sqnr(program(rows), load_aot(tmp_path / "aot.pt2")(rows)) > 60


def test_single_rows_run_in_int8_although_inductor_takes_small_products_apart(
    perceptron: nn.Module, rows: Tensor, tmp_path: Path
) -> None:
    program = StaticRecipe().apply(perceptron, [rows]).program
    kernels = save_aot(program, rows[:1], tmp_path / "one.pt2")
    assert sum(count for name, count in kernels.items() if "qlinear" in name) == 2
    assert sqnr(program(rows[:1]), load_aot(tmp_path / "one.pt2")(rows[:1])) > 60


def test_executorch_needs_its_extra(
    static: QuantizedNetwork, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.compression.files import sessions as package

    monkeypatch.setattr(package, "find_spec", lambda name: None)
    with pytest.raises(RunnerError, match=r"pip install 'runner\[executorch\]'"):
        save_executorch(static.program, images, tmp_path / "no.pte")
