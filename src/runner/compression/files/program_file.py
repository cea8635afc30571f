"""torch.export programs: what every run that compresses leaves, and what later runs can load as a teacher."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from runner.compression.files.file_format import Build, FileFormat, Program, program_of
from runner.compression.files.program import load_program, save_program
from runner.compression.network import KINDS, WEIGHTS, CompressedNetwork
from runner.measure.nested import Nested


class ProgramFile(FileFormat):
    """A graph and its tensors, read by torch.export; runs anywhere."""

    suffix: ClassVar = ".pt2"
    kinds: ClassVar = (*KINDS, WEIGHTS)

    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """See FileFormat.save."""
        details = compressed.details if compressed else {"recipe": "none"}
        return save_program(program_of(network, compressed), example, path, details)

    def load(self, path: Path, build: Build) -> Program:
        """See FileFormat.load."""
        return load_program(path).program
