"""AOTInductor packages: native code for the machine that wrote it."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program, program_of
from runner.compression.files.runtimes import load_aot, save_aot
from runner.compression.network import CompressedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import prove_integers
from runner.measure import nested
from runner.measure.nested import Nested


class AOTFile(FileFormat):
    """A program compiled ahead of time, for one sample at a time."""

    suffix: ClassVar = ".aot.pt2"
    batch: ClassVar = 1
    lowering: ClassVar = "inductor"
    timed: ClassVar = True
    native: ClassVar = True

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save; proves that an int8 program runs in integers."""
        kernels = save_aot(program_of(network, compressed), nested.head(example, 1), path)
        if isinstance(compressed, QuantizedNetwork):
            prove_integers(kernels, compressed.program, path.name)
        return kernels

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_aot(path)
