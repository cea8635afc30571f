"""Base of every way of pruning: a target, and rounds that each turn a trained network into a pruned one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from runner.compression.pruning.settings import TAYLOR

Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True)
class PruningContext:
    """Inputs of a round of pruning beside the network it prunes.

    Attributes:
        dense: the network before the first round; what is pruned is counted from there.
        example: one input batch (N, …) as the network takes it.
        batches: a few batches of training data, for importances that need gradients.
        loss: the mean loss of a network on one of the batches, 0-d, with its graph.
        early: the network as it was early in training, for rewinding.
    """

    dense: nn.Module
    example: Any
    batches: Sequence[Any] = ()
    loss: Loss | None = None
    early: nn.Module | None = None


@dataclass(frozen=True)
class Pruned:
    """Result of a round.

    Attributes:
        network: the pruned network, in the mode of the one that was given.
        steps: how `compression.files.rebuild` makes the dense network this shape; empty where shapes stayed.
        remarks: what the user should know, in sentences.
    """

    network: nn.Module
    steps: tuple[dict[str, Any], ...] = ()
    remarks: tuple[str, ...] = field(default=())


class PruningRecipe(ABC):
    """One way to prune. `kind` names it; `target` is the share (0 to below 1) that the last round reaches."""

    kind = ""

    @property
    @abstractmethod
    def target(self) -> float:
        """Amount that `apply` is given in the last round."""

    @property
    def needs_batches(self) -> bool:
        """Whether it looks at training batches and their loss; others are given none."""
        return getattr(self, "importance", None) == TAYLOR

    @abstractmethod
    def apply(self, network: nn.Module, amount: float, context: PruningContext) -> Pruned:
        """Return a copy of `network`, dense or pruned before, of which `amount` is gone, counted from the dense.

        `network` stays as it was. RunnerError: the network or the amount do not suit.
        """

    def preflight(self, context: PruningContext) -> Pruned:
        """Return the last round's result on the dense network; raises what it would refuse, before any training."""
        return self.apply(context.dense, self.target, context)
