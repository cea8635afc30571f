"""ExecuTorch programs: for phones and boards."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program, program_of
from runner.compression.files.runtimes import load_executorch, save_executorch
from runner.compression.network import CompressedNetwork
from runner.measure import nested
from runner.measure.nested import Nested


class ExecuTorchFile(FileFormat):
    """A program with XNNPACK's kernels, for one sample at a time."""

    suffix: ClassVar = ".pte"
    modules: ClassVar = ("executorch",)
    install: ClassVar = "pip install 'runner[executorch]'"
    batch: ClassVar = 1
    lowering: ClassVar = "executorch"
    timed: ClassVar = True
    native: ClassVar = True
    structured: ClassVar = False

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save."""
        return save_executorch(program_of(network, compressed), nested.head(example, 1), path)

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_executorch(path)
