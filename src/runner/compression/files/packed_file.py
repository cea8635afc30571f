"""Packed files: coded weights alone, for a network that is built anew."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program
from runner.compression.network import WEIGHTS, CompressedNetwork
from runner.measure import nested
from runner.measure.nested import Nested


class PackedFile(FileFormat):
    """Weights in the bits that they need, and no graph."""

    suffix: ClassVar = ".packed"
    kinds: ClassVar = (WEIGHTS,)

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save."""
        from runner.compression.files.packed import save_packed  # every run knows the formats, few write this one
        from runner.compression.quantization.weights.network import WeightOnlyNetwork

        assert isinstance(compressed, WeightOnlyNetwork), "`kinds` lets nothing else come here"
        return save_packed(compressed, path, described(compressed.network, example))

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        from runner.compression.files.packed import load_packed

        return load_packed(path, build)


def described(network: nn.Module, example: Nested) -> dict[str, Any]:
    """Return the structures of what a network takes and gives, for the metadata of a file that holds weights alone."""
    with torch.no_grad():
        outputs = network(example)
    shape = {"input_shape": [*example.shape[1:]]} if nested.is_single(example) else {}
    return {**shape, "inputs": nested.describe(example), "outputs": nested.describe(outputs)}
