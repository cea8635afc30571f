"""ONNX files, run by ONNX Runtime."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program, can_be_captured, program_of
from runner.compression.files.runtimes import load_onnx, save_onnx, save_onnx_dynamic, save_onnx_traced
from runner.compression.network import DYNAMIC, FLOAT, STATIC, CompressedNetwork
from runner.measure import nested
from runner.measure.nested import Nested


class ONNXFile(FileFormat):
    """A graph with quantize nodes, or dynamic operators of ONNX Runtime's own."""

    suffix: ClassVar = ".onnx"
    modules: ClassVar = ("onnx", "onnxscript", "onnxruntime")
    install: ClassVar = "pip install 'runner[onnx]'"
    kinds: ClassVar = (FLOAT, STATIC, DYNAMIC)
    timed: ClassVar = True
    traces: ClassVar = True

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save."""
        if compressed is not None and compressed.recipe == DYNAMIC:
            return save_onnx_dynamic(network, example, path)
        if not can_be_captured(network):
            return save_onnx_traced(network, nested.head(example, 1), path)
        return save_onnx(program_of(network, compressed), example, path)

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_onnx(path)
