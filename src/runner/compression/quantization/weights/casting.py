"""A network of another number format behind the float32 interface of the one it came from."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


class Casting(nn.Module):
    """Casts floating inputs to the dtype of `network` and its floating outputs back to float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, inputs: Tensor) -> Any:
        """Inputs (N, …), float32 or integers -> the outputs of `network`, float32."""
        outputs = self.network(inputs.to(self.dtype) if inputs.is_floating_point() else inputs)
        return pytree.tree_map_only(Tensor, lambda out: out.float() if out.is_floating_point() else out, outputs)
