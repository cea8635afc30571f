"""OpenVINO's intermediate representation."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program, program_of
from runner.compression.files.openvino import load_openvino, save_openvino
from runner.compression.files.sessions import OPENVINO_INSTALL
from runner.compression.network import FLOAT, STATIC, CompressedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import prove_integers
from runner.measure.nested import Nested


class OpenVINOFile(FileFormat):
    """A graph as XML with its weights beside it, run by OpenVINO's CPU plugin."""

    suffix: ClassVar = ".xml"
    modules: ClassVar = ("openvino", "onnx", "onnxscript")
    install: ClassVar = OPENVINO_INSTALL
    kinds: ClassVar = (FLOAT, STATIC)
    timed: ClassVar = True
    structured: ClassVar = False
    beside: ClassVar = (".bin",)

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save; proves that an int8 program runs in integers."""
        kernels = save_openvino(program_of(network, compressed), example, path)
        if isinstance(compressed, QuantizedNetwork):
            prove_integers(kernels, compressed.program, path.name)
        return kernels

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_openvino(path)
