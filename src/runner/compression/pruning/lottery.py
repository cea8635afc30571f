"""Lottery tickets: magnitude pruning in rounds, each of which goes back to the weights of early training."""

from dataclasses import dataclass, replace

from torch import nn

from runner.compression.pruning import zeros
from runner.compression.pruning.magnitude import MagnitudePruning, collapsed
from runner.compression.pruning.recipe import Pruned, PruningContext
from runner.compression.pruning.weights import with_zeros
from runner.errors import RunnerError


@dataclass(frozen=True)
class LotteryPruning(MagnitudePruning):
    """Removal of what training made smallest; the rest gets the weights it had after an early epoch.

    Frankle & Carbin, "The lottery ticket hypothesis" (ICLR 2019); late rewinding: Frankle et al., "Stabilizing the
    lottery ticket hypothesis" (2019).

    Attributes:
        rewind_epoch: how many epochs of the first training the weights come from; 0 is the initialisation.
    """

    rewind_epoch: int = 0
    kind = "lottery"

    def __post_init__(self) -> None:
        """Raise RunnerError as magnitude pruning does, and for an epoch before the first."""
        super().__post_init__()
        if self.rewind_epoch < 0:
            raise RunnerError(f"pruning.rewind_epoch={self.rewind_epoch}: must be at least 0, the initialisation.")

    def apply(self, network: nn.Module, amount: float, context: PruningContext) -> Pruned:
        """See PruningRecipe.apply; the network returned has the weights of `context.early`, and must be trained."""
        if context.early is None:
            raise RunnerError(
                f"pruning=lottery goes back to the weights after epoch {self.rewind_epoch} of training, and they were "
                "not kept: train in the same run (put fit before prune), or use pruning=magnitude."
            )
        masks = self.zeros(network, amount, context)
        return Pruned(with_zeros(context.early, masks).train(network.training), (zeros.STEP,), collapsed(masks))

    def preflight(self, context: PruningContext) -> Pruned:
        """See PruningRecipe.preflight; there are no early weights yet."""
        return super().preflight(replace(context, early=context.dense))
