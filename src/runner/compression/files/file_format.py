"""FileFormat: what one kind of file is, how it is written, and how another process loads it again."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from runner.compression.network import KINDS, CompressedNetwork
from runner.measure.nested import Nested

Program = Callable[[Nested], Any]
Build = Callable[[], nn.Module]


class FileFormat(ABC):
    """One kind of file; a YAML below `conf/export/format` names its class, and with it the format.

    Attributes:
        suffix: how its files end.
        modules: packages it needs, and `install`, how to get them.
        kinds: the kinds of program it can hold.
        batch: the one batch size its programs take; None for any.
        lowering: the back ends' runtime whose int8 programs it is written for; None for those of any.
        timed: whether it has a runtime of its own, so that a benchmark has something to time.
        structured: whether it can hold several inputs and outputs, in tuples and dicts.
        traces: whether it can hold networks that torch.export cannot capture (see `can_be_captured`).
        native: whether its files hold machine code, so that one of a stranger's must not be loaded.
        beside: endings of further files that belong to one, in place of `suffix`.
    """

    suffix: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    kinds: ClassVar[tuple[str, ...]] = KINDS
    batch: ClassVar[int | None] = None
    lowering: ClassVar[str | None] = None
    timed: ClassVar[bool] = False
    structured: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ()
    native: ClassVar[bool] = False
    traces: ClassVar[bool] = False

    @abstractmethod
    def save(self, network: nn.Module, compressed: CompressedNetwork | None, example: Nested, path: Path) -> object:
        """Write `compressed`, or the float `network` where there is none, to `path`; `example` is a batch (N, …)."""

    @abstractmethod
    def load(self, path: Path, build: Build) -> Program:
        """Return the program at `path` as a callable over batches; `build` makes the float network, without values."""

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]

    def files(self, path: Path) -> list[Path]:
        """Return all files of the one written to `path`."""
        return [path, *(path.with_name(path.name.removesuffix(self.suffix) + each) for each in self.beside)]


def can_be_captured(network: nn.Module) -> bool:
    """Return whether torch.export can capture a network: unless it says `captured = False`, for its sizes vary."""
    return bool(getattr(network, "captured", True))


def program_of(network: nn.Module, compressed: CompressedNetwork | None) -> nn.Module:
    """Return what is saved: the compressed network's program, or the float network."""
    return compressed.program if compressed is not None else network
