"""Two layers from scratch: message passing by hand, and the graph convolution of Kipf & Welling (2017)."""

import torch
from torch import Tensor, nn


class NeighbourSum(nn.Module):
    """Message passing without weights: node i becomes the sum of x_i + x_j over the edges j -> i."""

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Map float (nodes, features), int64 (2, edges), float (edges,) or None to float (nodes, features).

        A message counts by its edge's weight. A node where no edge ends becomes 0.
        """
        source, target = edge_index
        messages = x[target] + x[source]
        if edge_weight is not None:
            messages = messages * edge_weight[:, None]
        return torch.zeros_like(x).index_add(0, target, messages)


class GraphConvolution(nn.Module):
    """Â X W + b with Â = D^-½ (A + I) D^-½: equation 2 of the paper, and what PyG's `GCNConv` computes."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        propagation: Tensor | None = None,
    ) -> Tensor:
        """Map float (nodes, in_features) to float (nodes, out_features).

        `propagation`, float (edges,), holds the entries of Â, for which `edge_index` then has the self-loops already;
        without it they are worked out from `edge_weight` (None: all 1).
        """
        if propagation is None:
            edge_index, propagation = normalized(edge_index, edge_weight, x.shape[0])
        return propagate(self.linear(x), edge_index, propagation) + self.bias


def normalized(edge_index: Tensor, edge_weight: Tensor | None, nodes: int) -> tuple[Tensor, Tensor]:
    """Return the entries of Â: edges with one self-loop for every node, and float (edges + nodes,) beside them.

    A self-loop that is there already keeps its weight; of several the last one counts, as in PyG.
    """
    source, target = edge_index
    weight = torch.ones(edge_index.shape[1], device=edge_index.device) if edge_weight is None else edge_weight
    everyone = torch.arange(nodes, device=edge_index.device)
    loop = source == target
    loops = torch.ones(nodes, dtype=weight.dtype, device=weight.device)
    if edge_weight is not None:
        # What is no loop is sent to a place behind the last node.
        place = torch.where(loop, source, nodes)
        loops = torch.cat([loops, loops[:1]]).scatter(0, place, weight)[:nodes]
    # A loop among the edges weighs nothing now; leaving it in keeps the number of edges independent of their values.
    weight = torch.cat([weight.masked_fill(loop, 0.0), loops])
    source, target = torch.cat([source, everyone]), torch.cat([target, everyone])
    degree = torch.zeros(nodes, dtype=weight.dtype, device=weight.device).index_add(0, target, weight)
    scale = degree.pow(-0.5).masked_fill(degree == 0, 0.0)
    return torch.stack([source, target]), scale[source] * weight * scale[target]


def propagate(x: Tensor, edge_index: Tensor, weight: Tensor) -> Tensor:
    """Return float (nodes, features): for every node the weighted sum over its incoming edges."""
    source, target = edge_index
    return torch.zeros_like(x).index_add(0, target, x[source] * weight[:, None])
