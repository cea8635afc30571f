"""A network of another number format behind the float32 interface of the one it came from."""

from typing import Any

import torch
from torch import Tensor, nn

from runner.measure import nested
from runner.measure.nested import Nested


class Casting(nn.Module):
    """Casts floating inputs to the dtype of `network` and its floating outputs back to float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, inputs: Nested) -> Any:
        """Inputs (N, …), float32 or integers -> the outputs of `network`, float32."""
        outputs = self.network(nested.map_floats(self.cast, inputs))
        return nested.map_floats(Tensor.float, outputs)

    def cast(self, inputs: Tensor) -> Tensor:
        """Return floating inputs in the dtype of the network."""
        return inputs.to(self.dtype)
