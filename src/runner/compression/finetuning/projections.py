"""Query, key and value of a layer that makes them at once, apart while some of them are adapted."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# In the order of their rows in a fused weight, as timm and torchvision lay it out.
PROJECTIONS = ("q", "k", "v")
FUSED = "qkv"


class SplitProjections(nn.Module):
    """A Linear layer as three, `q`, `k` and `v`: float (…, in) to float (…, 3 * out), their outputs side by side."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weights = layer.weight.detach().chunk(3)
        biases = layer.bias.detach().chunk(3) if layer.bias is not None else (None,) * 3
        for name, weight, bias in zip(PROJECTIONS, weights, biases, strict=True):
            self.add_module(name, linear(weight.clone(), None if bias is None else bias.clone()))
        self.train(layer.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the fused layer."""
        return torch.cat([part(inputs) for part in self.children()], dim=-1)

    def parameters_fused(self) -> Mapping[str, Tensor]:
        """Return `weight` and, where there is one, `bias` of the fused layer, without adapters."""
        parts: list[Any] = [getattr(part, "base_layer", part) for part in self.children()]
        found = {"weight": torch.cat([part.weight.detach() for part in parts])}
        if parts[0].bias is not None:
            found["bias"] = torch.cat([part.bias.detach() for part in parts])
        return found

    def fused(self) -> nn.Linear:
        """Return the layer as one again."""
        found = self.parameters_fused()
        return linear(found["weight"], found.get("bias")).train(self.training)


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a Linear layer of these parameters; nothing is drawn from torch's generator."""
    rows, columns = weight.shape
    layer = nn.Linear(columns, rows, bias=bias is not None, device="meta", dtype=weight.dtype)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer
