"""GraphNet: graph layers one after the other, whatever kind they are of."""

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

# Features of which at most this share differs from 0 are dropped one by one.
MOSTLY_ZERO = 0.1
Activation = Callable[[Tensor], Tensor]


class GraphNet(nn.Module):
    """Layers over the nodes of a graph, with dropout before and an activation between them.

    Args:
        layers: modules that take (x, edge_index) and, where they can, edge_weight and propagation.
        dropout: share of the inputs of every layer that is dropped in training.
        activation: after every layer but the last.
    """

    def __init__(self, layers: Sequence[nn.Module], dropout: float = 0.5, activation: Activation = F.relu) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout, self.activation = dropout, activation
        self.weighted = [accepts(layer, "edge_weight") for layer in layers]
        self.propagating = [accepts(layer, "propagation") for layer in layers]

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        propagation: Tensor | None = None,
    ) -> Tensor:
        """Map float (nodes, features), int64 (2, edges) to float (nodes, num_outputs).

        Args:
            edge_weight: float (edges,); layers that know no weights see all edges alike.
            propagation: Â as a sampler estimated it, float (edges,), or (layers, edges) with a row for each layer.
        """
        for number, layer in enumerate(self.layers):
            x = (
                sparse_dropout(x, self.dropout, self.training)
                if number == 0
                else F.dropout(x, self.dropout, self.training)
            )
            x = layer(x, edge_index, **self.extras(number, edge_weight, propagation))
            if number < len(self.layers) - 1:
                x = self.activation(x)
        return x

    def extras(self, number: int, edge_weight: Tensor | None, propagation: Tensor | None) -> dict[str, Tensor]:
        """Return the arguments of layer `number` beside nodes and edges."""
        given: dict[str, Tensor] = {}
        if propagation is not None and self.propagating[number]:
            given["propagation"] = propagation[number] if propagation.ndim == 2 else propagation
        elif edge_weight is not None and self.weighted[number]:
            given["edge_weight"] = edge_weight
        return given


def sparse_dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Apply dropout, float (nodes, features) to the same; of mostly zero features only the others are drawn for.

    The same in distribution, and on Cora (1.3 % of the features are not 0) three times as fast.
    """
    if not training or share == 0 or x.requires_grad:
        return F.dropout(x, share, training)
    flat = x.reshape(-1)
    there = flat.nonzero().squeeze(1)
    if len(there) > MOSTLY_ZERO * len(flat):
        return F.dropout(x, share, training)
    return torch.zeros_like(flat).index_copy(0, there, F.dropout(flat[there], share)).view_as(x)


def on_default_device(layer: nn.Module, name: str) -> nn.Module:
    """Return the layer with its parameter `name` on the default device.

    PyG 2.8 makes some by the old constructor `Tensor(size)`, which knows the CPU only; a network that is only to be
    counted is built on the meta device.
    """
    setattr(layer, name, nn.Parameter(torch.empty(getattr(layer, name).shape)))
    layer.reset_parameters()  # type: ignore[operator]
    return layer


def accepts(layer: nn.Module, name: str) -> bool:
    """Return whether a layer's forward has a parameter of this name."""
    return name in inspect.signature(layer.forward).parameters


def layer_widths(in_features: int, hidden: int, num_outputs: int, num_layers: int) -> list[tuple[int, int]]:
    """Return the inputs and outputs of each layer; raises ValueError where there is none."""
    if num_layers < 1:
        raise ValueError(f"num_layers={num_layers}: a network needs at least one layer")
    sizes = [in_features, *[hidden] * (num_layers - 1), num_outputs]
    return list(pairwise(sizes))
