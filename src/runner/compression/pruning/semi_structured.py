"""Semi-structured pruning: two of every four weights along the inputs are zero, as sparse tensor cores take them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from runner.compression.pruning import zeros
from runner.compression.pruning.importance import weight_scores
from runner.compression.pruning.recipe import Pruned, PruningContext, PruningRecipe
from runner.compression.pruning.settings import SemiStructuredPruningSettings
from runner.compression.pruning.weights import prunable, with_zeros


@dataclass(frozen=True)
class SemiStructuredPruning(SemiStructuredPruningSettings, PruningRecipe):
    """Keeps the `keep` most important of every `group` weights in a row along the inputs (Mishra et al., 2021).

    A convolution's weights are in a row along its input channels, at each position of the kernel: the order in which
    sparse tensor cores multiply channels-last images. Where the inputs do not divide by `group`, the last of a row is
    filled up with zeros, as the kernels fill it, so that fewer than the target are pruned there.
    """

    kind = "semi_structured"

    @property
    def target(self) -> float:
        """See PruningRecipe.target; the share of each group that is zero."""
        return 1 - self.keep / self.group

    def apply(self, network: nn.Module, amount: float, context: PruningContext) -> Pruned:
        """See PruningRecipe.apply; earlier rounds prune as many whole weights of a group as `amount` allows."""
        keep = self.group - int(amount * self.group + 1e-9)
        weights = prunable(network, self.skip)
        scores = weight_scores(network, list(weights), self.importance, context)
        masks, filled = {}, []
        for name, weight in weights.items():
            layer = network.get_submodule(name.rpartition(".")[0])
            dim = 0 if isinstance(layer, _ConvTransposeNd) else 1
            if weight.shape[dim] % self.group:
                filled.append(name.rpartition(".")[0])
            masks[name] = ~most_important(scores[name].masked_fill(weight == 0, -1), dim, keep, self.group)
        return Pruned(with_zeros(network, masks), (zeros.STEP,), self._remarks(filled))

    def _remarks(self, filled: list[str]) -> tuple[str, ...]:
        pattern = f"{self.keep}:{self.group}"
        said = (
            f"{pattern} sparsity is faster only where kernels for it exist: NVIDIA GPUs from Ampere on, in half "
            "precision or int8. Elsewhere the network runs as a dense one.",
        )
        if not filled:
            return said
        shown = ", ".join(filled[:4]) + (f" and {len(filled) - 4} more" if len(filled) > 4 else "")
        return (
            *said,
            f"Inputs of {shown} do not divide by {self.group}: their last groups were filled up with zeros, and fewer "
            "weights pruned there.",
        )


def most_important(scores: Tensor, dim: int, keep: int, group: int) -> Tensor:
    """Return True for the `keep` highest scores of every `group` in a row along `dim`; same shape, bool.

    Where the length is no multiple of `group`, the last of a row counts as filled up with what is never kept.
    """
    rows = scores.movedim(dim, -1)
    length = rows.shape[-1]
    grouped = F.pad(rows, (0, -length % group), value=float("-inf")).unflatten(-1, (-1, group))
    kept = torch.zeros_like(grouped, dtype=torch.bool).scatter_(-1, grouped.topk(keep, dim=-1).indices, True)
    return kept.flatten(-2)[..., :length].movedim(-1, dim)
