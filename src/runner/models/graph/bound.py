"""BoundNetwork: a graph network together with its one graph, so that features are all it must be given."""

import torch
from torch import Tensor, nn


class BoundNetwork(nn.Module):
    """A network over the nodes of a fixed graph; a sample is the features of all its nodes.

    Args:
        network: takes (x, edge_index, edge_weight).
        edge_index: int64 (2, edges).
        edge_weight: float (edges,), or None.
        nodes: how many the graph has.
    """

    edge_index: Tensor
    edge_weight: Tensor | None

    def __init__(self, network: nn.Module, edge_index: Tensor, edge_weight: Tensor | None, nodes: int) -> None:
        super().__init__()
        self.network, self.nodes = network, nodes
        self.register_buffer("edge_index", edge_index)
        self.register_buffer("edge_weight", edge_weight)

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, nodes, in_features) to float (N, nodes, num_outputs): N copies of the graph side by side."""
        copies = features.shape[0]
        shift = torch.arange(copies, device=features.device)[:, None] * self.nodes
        source, target = ((row[None] + shift).reshape(-1) for row in self.edge_index)
        weight = None if self.edge_weight is None else self.edge_weight.repeat(copies)
        outputs = self.network(features.reshape(-1, features.shape[2]), torch.stack([source, target]), weight)
        return outputs.reshape(copies, self.nodes, -1)
