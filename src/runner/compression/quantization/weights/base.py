"""What the recipes have in common that change how weights are kept, and nothing about what flows between layers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from torch import nn

from runner.compression.network import WEIGHTS, refuse_quantized
from runner.compression.quantization.weights.network import WeightOnlyNetwork
from runner.measure.nested import Nested


class WeightRecipe(ABC):
    """Weights in fewer bits, without training: nothing is captured, and one look at the network says if it can be."""

    kind = ""
    program_kind = WEIGHTS
    lowering: str | None = None

    @abstractmethod
    def make(self, network: nn.Module, batches: Iterable[Nested]) -> WeightOnlyNetwork:
        """Return what `apply` returns, of a network that passed `check`."""

    def check(self, network: nn.Module) -> None:
        """Raise RunnerError for a network that is quantized already."""
        refuse_quantized(network)

    def preflight(self, network: nn.Module, example: Nested) -> None:
        """See `check`; there is no more to find out with an `example` (N, …)."""
        self.check(network)

    def apply(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested] = (),
        fine_tune: Callable[[nn.Module], object] | None = None,
        evaluate: Callable[[nn.Module], float] | None = None,
    ) -> WeightOnlyNetwork:
        """Return the network with smaller weights; `network` stays as it was.

        Args:
            calibration_batches: inputs (N, …), for recipes that look at what the layers see.
            fine_tune, evaluate: what other recipes need; not called.

        Raises:
            RunnerError: see `check` and `make`.
        """
        self.check(network)
        return self.make(network, calibration_batches)
