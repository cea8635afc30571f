"""Networks over whole graphs: node embeddings summed, averaged, or read by Set2Set."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import GINConv, MeanAggregation, Set2Set, SumAggregation


class GraphIsomorphismLayer(nn.Module):
    """A GIN layer (Xu et al. 2019) with batch normalisation over nodes, so that widths do not run away."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        inner = nn.Sequential(
            nn.Linear(in_features, out_features),
            nn.BatchNorm1d(out_features),
            nn.ReLU(),
            nn.Linear(out_features, out_features),
        )
        self.convolution, self.norm = GINConv(inner, train_eps=True), nn.BatchNorm1d(out_features)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Map float (nodes, in_features), int64 (2, edges) to float (nodes, out_features)."""
        return F.relu(self.norm(self.convolution(x, edge_index)))


class ReadoutNet(nn.Module):
    """GIN layers, one vector for each graph from its nodes, and a small perceptron on it."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        readout: nn.Module,
        read: int,
        hidden: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        pairs = [(in_features, hidden), *[(hidden, hidden)] * (num_layers - 1)]
        self.layers = nn.ModuleList([GraphIsomorphismLayer(*pair) for pair in pairs])
        self.readout, self.dropout = readout, dropout
        self.hidden, self.head = nn.Linear(read, hidden), nn.Linear(hidden, num_outputs)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, size: int = 1) -> Tensor:
        """Map graphs side by side, float (nodes, in_features) and int64 (2, edges), to float (size, num_outputs).

        Args:
            batch: int64 (nodes,), ascending: the graph of each node; None for one graph.
            size: how many graphs; one without nodes reads as zeros.
        """
        batch = x.new_zeros(len(x), dtype=edge_index.dtype) if batch is None else batch
        for layer in self.layers:
            x = layer(x, edge_index)
        read = F.relu(self.hidden(self.readout(x, batch, dim_size=size)))
        return self.head(F.dropout(read, self.dropout, self.training))


def readout_sum(
    in_features: int, num_outputs: int, hidden: int = 32, num_layers: int = 3, dropout: float = 0.5
) -> ReadoutNet:
    """Build a network with a sum over nodes: it can count."""
    return ReadoutNet(in_features, num_outputs, SumAggregation(), hidden, hidden, num_layers, dropout)


def readout_mean(
    in_features: int, num_outputs: int, hidden: int = 32, num_layers: int = 3, dropout: float = 0.5
) -> ReadoutNet:
    """Build a network with the mean over nodes: shares, whatever the size of the graph."""
    return ReadoutNet(in_features, num_outputs, MeanAggregation(), hidden, hidden, num_layers, dropout)


def readout_set2set(
    in_features: int,
    num_outputs: int,
    hidden: int = 32,
    num_layers: int = 3,
    steps: int = 3,
    dropout: float = 0.5,
) -> ReadoutNet:
    """Build a network with an LSTM that looks at all nodes by attention, `steps` times (Vinyals et al. 2016)."""
    readout = Set2Set(hidden, processing_steps=steps)
    return ReadoutNet(in_features, num_outputs, readout, 2 * hidden, hidden, num_layers, dropout)
