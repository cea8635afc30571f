"""How a network is asked: by calling it, unless its task knows better."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Answer = Callable[[nn.Module, Any], Tensor]


def called(network: nn.Module, inputs: Any) -> Tensor:
    """The outputs of a network that takes its inputs as they are."""
    outputs: Tensor = network(inputs)
    return outputs
