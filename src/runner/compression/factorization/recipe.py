"""The way from a network to its factorized copy, which all methods share; each says how one layer is cut in two."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from runner.compression.factorization.factorized import (
    Factorized,
    Row,
    candidates,
    check,
    check_answers,
    filled,
    kept,
    refuse_unchanged,
    size_of,
)
from runner.compression.modules import replaced
from runner.compression.network import ModelCall, call_model


@dataclass(frozen=True)
class Cut:
    """Two layers in place of one.

    Attributes:
        halves: their weights, the first layer's first.
        rank: see `Row.rank`.
        error: see `Row.error`.
    """

    halves: tuple[Tensor, Tensor]
    rank: int
    error: float


class FactorizationRecipe(ABC):
    """A method: which layers it looks at, and what becomes of one.

    Attributes:
        kinds: types of layers that it looks at.
        advice: what to do where it can change none of them.
        skip: layers that stay, by name (globs) or type.
    """

    kinds: ClassVar[tuple[type[nn.Module], ...]]
    advice: ClassVar[str]
    skip: Sequence[str]

    @abstractmethod
    def cut(self, layer: Any) -> Cut | str:
        """Return the two layers that may stand for `layer`, or the reason why it has to stay."""

    @abstractmethod
    def pair(self, layer: Any, cut: Cut) -> nn.Sequential:
        """Return two layers of the shape of `cut`, with any weights."""

    @abstractmethod
    def step(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the step that makes the changed network's shape again, by the `rows` of the layers that changed."""

    def check(self, network: nn.Module) -> None:
        """Raise RunnerError for what `apply` would refuse whatever the weights are."""
        check(network, self.kinds, self.skip)

    @property
    def depends_on_weights(self) -> bool:
        """Whether the weights decide how small the layers become, so that only training tells."""
        return False

    def preflight(self, network: nn.Module, example: Any, call: ModelCall = call_model) -> None:
        """Raise RunnerError for what `apply` would refuse after training, of an untrained `network`."""
        self.check(network)
        if not self.depends_on_weights:
            self.apply(network, example, call)

    def apply(self, network: nn.Module, example: Any, call: ModelCall = call_model) -> Factorized:
        """Return the factorized copy of `network` (float), which stays as it was.

        Layers that would not get smaller stay, and their rows say so.

        Args:
            example: inputs (N, …) that the changed network is tried on.
            call: the outputs of a network for inputs, where there is more to it than calling the network.

        Raises:
            RunnerError: nothing to factorize, a name in `skip` that matches nothing, or weights read from outside.
        """
        rows: list[Row] = []
        cuts: dict[str, Cut] = {}
        for name, reason in candidates(network, self.kinds, self.skip).items():
            layer = network.get_submodule(name)
            cut = reason or self.cut(layer)
            if isinstance(cut, str):
                rows.append(kept(name, layer, cut))
            else:
                cuts[name] = cut
                rows.append(Row(name, cut.rank, size_of(layer), size_after(layer, cut), cut.error))
        refuse_unchanged(rows, network, self.advice)
        changed = replaced(network, cuts, self.stand_in)
        check_answers(changed, example, call, rows)
        return Factorized(changed, [self.step([row for row in rows if not row.stays])], rows)

    def stand_in(self, layer: Any, cut: Cut) -> nn.Module:
        """Return the two layers that stand for `layer`, with the weights of `cut` and its bias."""
        return filled(self.pair(layer, cut), cut.halves, layer.bias)


def size_after(layer: nn.Module, cut: Cut) -> int:
    """Return the parameters of the two layers, bias included, that would stand for `layer`."""
    bias = layer.bias
    return sum(half.numel() for half in cut.halves) + (bias.numel() if isinstance(bias, Tensor) else 0)
