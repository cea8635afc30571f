"""LSQ: a fake quantizer whose scale and zero point are trained (Esser et al. 2020, arXiv:1902.08153)."""

from typing import Any

import torch
from torch import Tensor, nn
from torchao.quantization.pt2e import LearnableFakeQuantize


class LearnedRange(LearnableFakeQuantize):
    """torchao's LearnableFakeQuantize, made to survive checkpoints and optimizers.

    Upstream creates its parameters in the first forward pass, so a checkpoint could not be loaded before one,
    and a step may drive a scale below zero. Here loading creates them, and each forward pass keeps the scale
    positive.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_dynamic = False

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803 - the name upstream's callers use
        """Fake-quantizes X (any shape); observes it as well until ranges are learned."""
        if self._initialized:
            # through .data: one quantizer may serve several edges, and a counted change would void their
            # gradients
            self.scale.data.clamp_(min=float(self.eps))
        return super().forward(X)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        scale = state_dict.get(prefix + "scale")
        if scale is not None and not self._initialized:
            self._initialize_or_update_qparams(torch.ones_like(scale), torch.zeros_like(scale))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def learned_ranges(network: nn.Module) -> list[LearnedRange]:
    """All LearnedRange modules in `network`."""
    return [module for module in network.modules() if isinstance(module, LearnedRange)]
