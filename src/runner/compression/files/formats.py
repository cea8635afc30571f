"""Files that another process can run: how each format is written, loaded again, and when it can be had."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner import nested
from runner.compression.files import openvino as openvino_runtime
from runner.compression.files import program as artifact
from runner.compression.files import runtimes as package
from runner.compression.files.packed import load_packed, save_packed
from runner.compression.network import CompressedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import prove_integers
from runner.compression.quantization.weights.network import WeightOnlyNetwork
from runner.errors import RunnerError, did_you_mean
from runner.nested import Nested

Program = Callable[[Nested], Any]
Build = Callable[[], nn.Module]
# Kinds of program: not quantized; ranges known beforehand; measured as they come; some layers this way, some that.
FLOAT, STATIC, DYNAMIC, BOTH = KINDS = ("float", "static", "dynamic", "static and dynamic")
# Weights in few bits, or the whole network in another number format.
WEIGHTS = "weight-only"


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        suffix: how its files end.
        modules: packages it needs, and `install`, how to get them.
        save: float network or None, compressed network or None, example batch, path.
        load: path, and a function that makes the dense network on the meta device, to a callable over input batches.
        batch: the one batch size its programs take; None for any.
        beside: endings of further files that belong to one, in place of `suffix`.
        kinds: the kinds of program it can hold.
        structured: whether it can hold several inputs and outputs, in tuples and dicts.
    """

    suffix: str
    modules: tuple[str, ...]
    install: str
    save: Callable[[nn.Module, CompressedNetwork | None, Nested, Path], object]
    load: Callable[[Path, Build], Program]
    batch: int | None = None
    beside: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    structured: bool = True

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]

    def files(self, path: Path) -> list[Path]:
        """All files of the one written to `path`."""
        return [path, *(path.with_name(path.name.removesuffix(self.suffix) + each) for each in self.beside)]


def _save_program(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    details = compressed.details if compressed else {"recipe": "none"}
    return artifact.save_program(compressed.program if compressed else network, example, path, details)


def _save_aot(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    kernels = package.save_aot(compressed.program if compressed else network, nested.head(example, 1), path)
    if isinstance(compressed, QuantizedNetwork):
        prove_integers(kernels, compressed.program, path.name)
    return kernels


def _save_onnx(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    if compressed is not None and compressed.recipe == "dynamic":
        return package.save_onnx_dynamic(network, example, path)
    return package.save_onnx(compressed.program if compressed else network, example, path)


def _save_executorch(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    return package.save_executorch(compressed.program if compressed else network, nested.head(example, 1), path)


def _save_openvino(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    kernels = openvino_runtime.save_openvino(compressed.program if compressed else network, example, path)
    if isinstance(compressed, QuantizedNetwork):
        prove_integers(kernels, compressed.program, path.name)
    return kernels


def _save_packed(network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
    assert isinstance(compressed, WeightOnlyNetwork), "`kinds` lets nothing else come here"
    return save_packed(compressed, path, described(compressed.network, example))


def described(network: nn.Module, example: Nested) -> dict[str, Any]:
    """Return the structures of what a network takes and gives, for the metadata of a file that holds weights alone."""
    with torch.no_grad():
        outputs = network(example)
    shape = {"input_shape": [*example.shape[1:]]} if nested.is_single(example) else {}
    return {**shape, "inputs": nested.describe(example), "outputs": nested.describe(outputs)}


def _load_program(path: Path) -> Program:
    return artifact.load_program(path).program


def _alone(load: Callable[[Path], Program]) -> Callable[[Path, Build], Program]:
    """For files that hold the network as well as its weights."""
    return lambda path, _: load(path)


FORMATS: dict[str, Format] = {
    "program": Format(".pt2", (), "", _save_program, _alone(_load_program), kinds=(*KINDS, WEIGHTS)),
    "packed": Format(".packed", (), "", _save_packed, load_packed, kinds=(WEIGHTS,)),
    "aot": Format(".aot.pt2", (), "", _save_aot, _alone(package.load_aot), batch=1),
    "executorch": Format(
        ".pte",
        ("executorch",),
        "pip install 'runner[executorch]'",
        _save_executorch,
        _alone(package.load_executorch),
        batch=1,
        structured=False,
    ),
    "openvino": Format(
        ".xml",
        ("openvino", "onnx", "onnxscript"),
        openvino_runtime.INSTALL,
        _save_openvino,
        _alone(openvino_runtime.load_openvino),
        beside=(".bin",),
        kinds=(FLOAT, STATIC),
        structured=False,
    ),
    "onnx": Format(
        ".onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        "pip install 'runner[onnx]'",
        _save_onnx,
        _alone(package.load_onnx),
        kinds=(FLOAT, STATIC, DYNAMIC),
    ),
}


def kind_of(recipes: set[str]) -> str:
    """The kind of program that layers of these recipes (static, dynamic, qat, float) make together."""
    if "dynamic" not in recipes:
        return STATIC
    return BOTH if recipes & {"static", "qat"} else DYNAMIC


def chosen(
    names: str | list[str],
    lowering: str | None = None,
    kind: str = FLOAT,
    structured: Callable[[], bool] = lambda: False,
) -> list[str]:
    """The formats of `export.formats`: a list of names, or `auto` for all that can be had here.

    Args:
        names: as configured.
        lowering: who runs programs of the back end (inductor, executorch, openvino; elsewhere, where it takes another
            machine); None for a float network.
        kind: the kind of program.
        structured: whether the network takes or gives more than one tensor; asked only where it matters.

    Raises:
        RunnerError: an unknown name, one whose packages are missing, or one that cannot hold this kind of program.
    """
    if names == "auto":
        others = {"aot": "inductor", "executorch": "executorch"}
        fitting = [name for name in FORMATS if others.get(name) in (None, lowering or "inductor")]
        holding = [name for name in fitting if kind in FORMATS[name].kinds and not FORMATS[name].missing]
        return [name for name in holding if FORMATS[name].structured or not structured()]
    for name in names:
        if name not in FORMATS:
            raise RunnerError(
                f"export.formats: no format {name}.{did_you_mean(name, FORMATS)} Known: {', '.join(FORMATS)}."
            )
        if FORMATS[name].missing:
            raise RunnerError(
                f"export.formats: {name} needs {', '.join(FORMATS[name].missing)}: {FORMATS[name].install}"
            )
        if kind not in FORMATS[name].kinds:
            able = ", ".join(other for other, each in FORMATS.items() if kind in each.kinds)
            what = {WEIGHTS: "weights in few bits", FLOAT: "float networks"}.get(kind, f"{kind} int8 programs")
            raise RunnerError(f"export.formats: {name} cannot hold {what}; these can: {able}.")
        if not FORMATS[name].structured and structured():
            able = ", ".join(other for other, each in FORMATS.items() if each.structured and kind in each.kinds)
            raise RunnerError(
                f"export.formats: {name} files of this runner hold networks of one tensor in and one out, and this one "
                f"takes or gives several; these can: {able}."
            )
    return list(names)


def is_structured(network: nn.Module, example: Nested) -> bool:
    """Return whether a network takes or gives anything but one tensor; draws no random numbers."""
    if not nested.is_single(example):
        return True
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return not nested.is_single(network(example))


def run_in_batches(name: str, program: Program, inputs: Nested, size: int) -> Nested:
    """Outputs for all `inputs` (N, …), in batches that programs of this format take."""
    batch = (FORMATS[name].batch if name in FORMATS else None) or size
    with torch.no_grad():
        return nested.concatenate([program(part) for part in nested.split(inputs, batch)])


def format_of(path: Path) -> str:
    """The format a file's name ends in.

    Raises:
        RunnerError: none of them.
    """
    fitting = [name for name, each in FORMATS.items() if path.name.endswith(each.suffix)]
    if not fitting:
        endings = ", ".join(each.suffix for each in FORMATS.values())
        raise RunnerError(f"{path}: not a file that can be run; known endings: {endings}.")
    return max(fitting, key=lambda name: len(FORMATS[name].suffix))
