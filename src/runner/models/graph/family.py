"""Networks over the nodes of one graph, by a stack of graph layers: GCN, ChebNet, GraphSAGE, GAT."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import ChebConv, GATConv, SAGEConv

from runner.models.graph.convolution import GraphConvolution, NeighbourSum
from runner.models.graph.stack import GraphNet, layer_widths, on_default_device


class MessagePassingNet(nn.Module):
    """One round of messages from scratch, then a linear layer: the smallest graph network there is."""

    def __init__(self, in_features: int, num_outputs: int) -> None:
        super().__init__()
        self.messages = NeighbourSum()
        self.head = nn.Linear(in_features, num_outputs)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Map float (nodes, in_features), int64 (2, edges), float (edges,) or None to float (nodes, num_outputs)."""
        return self.head(self.messages(x, edge_index, edge_weight))


def gcn(in_features: int, num_outputs: int, hidden: int = 16, num_layers: int = 2, dropout: float = 0.5) -> GraphNet:
    """Build graph convolutions (Kipf & Welling 2017), the layers our own."""
    return GraphNet(
        [GraphConvolution(*pair) for pair in layer_widths(in_features, hidden, num_outputs, num_layers)], dropout
    )


def chebnet(
    in_features: int, num_outputs: int, hidden: int = 16, num_layers: int = 2, order: int = 2, dropout: float = 0.5
) -> GraphNet:
    """Build layers of Chebyshev polynomials of the Laplacian, `order` terms (Defferrard et al. 2016)."""
    return GraphNet(
        [
            on_default_device(ChebConv(*pair, K=order), "bias")
            for pair in layer_widths(in_features, hidden, num_outputs, num_layers)
        ],
        dropout,
    )


def graphsage(
    in_features: int,
    num_outputs: int,
    hidden: int = 64,
    num_layers: int = 2,
    aggregation: str = "mean",
    dropout: float = 0.5,
) -> GraphNet:
    """Build layers that join a node and an aggregate of its neighbours, with weights each (Hamilton et al. 2017)."""
    pairs = layer_widths(in_features, hidden, num_outputs, num_layers)
    return GraphNet([SAGEConv(*pair, aggr=aggregation) for pair in pairs], dropout)


def gat(
    in_features: int,
    num_outputs: int,
    hidden: int = 8,
    heads: int = 8,
    output_heads: int = 1,
    num_layers: int = 2,
    dropout: float = 0.6,
) -> GraphNet:
    """Build attention over neighbours: `heads` of `hidden` outputs each, joined; the last layer's are averaged.

    Dropout also acts on the attention (Veličković et al. 2018, section 3.3).
    """
    pairs = layer_widths(in_features, heads * hidden, num_outputs, num_layers)
    layers = [GATConv(before, hidden, heads, dropout=dropout) for before, _ in pairs[:-1]]
    last = GATConv(*pairs[-1], heads=output_heads, concat=False, dropout=dropout)
    return GraphNet([*layers, last], dropout, F.elu)
