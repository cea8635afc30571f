"""Packed files: coded weights alone, for a network that is built anew."""

from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from runner.compression.files.file_format import Build, FileFormat, Program
from runner.compression.files.packed import load_packed, save_packed
from runner.compression.network import CompressedNetwork
from runner.compression.program_kinds import WEIGHTS
from runner.compression.quantization.weights.network import WeightOnlyNetwork


class PackedFile(FileFormat):
    """Weights in the bits that they need, and no graph."""

    suffix: ClassVar = ".packed"
    kinds: ClassVar = (WEIGHTS,)

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Tensor, path: Path) -> object:
        """See FileFormat.save."""
        assert isinstance(compressed, WeightOnlyNetwork), "`kinds` lets nothing else come here"
        return save_packed(compressed, path, {"input_shape": [*example.shape[1:]]})

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_packed(path, build)
