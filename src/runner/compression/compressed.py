"""What takes the place of a float network after compression, in whatever way it was made small."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from runner.compression.quantization.corrections.corrections import Step
    from runner.compression.quantization.pt2e.lower import CompiledProgram


class CompressedNetwork(nn.Module, ABC):
    """Answers `forward` like the network it came from, in inference only; it stays in inference mode.

    Attributes:
        title: names its files and its rows in tables: int8, int4, bf16.
        recipe: how it was made: static, dynamic, qat, weight, …
        corrections: what was done to it beforehand, so that rounding harms less, and what each brought.
        compiled: what this machine runs in its place, once `lower` was called; None before, and where it cannot.
    """

    title: str
    recipe: str
    corrections: "tuple[Step, ...]" = ()

    def __init__(self) -> None:
        super().__init__()
        self.compiled: CompiledProgram | None = None
        self.training = False

    @property
    @abstractmethod
    def program(self) -> nn.Module:
        """What is saved: a module that torch.export takes, answering inputs (N, …)."""

    @property
    def details(self) -> dict[str, Any]:
        """What its file says of it, as plain values."""
        return {"recipe": self.recipe}

    @property
    def can_lower(self) -> bool:
        """Whether this machine can compile it; otherwise it runs as it is, and is lowered elsewhere."""
        return True

    @abstractmethod
    def lower(self, inputs: Tensor | None = None) -> "CompressedNetwork":
        """Compiles it for the batch size of `inputs` (N, …); raises RunnerError where it would not run as promised."""

    @abstractmethod
    def proof(self) -> tuple[dict[str, float], str]:
        """What became of the network: metrics by name (below `compressed/`), and the same in one line."""

    def train(self, mode: bool = True) -> "CompressedNetwork":
        """Stays in inference mode."""
        return self
