"""Networks over whole graphs that make them smaller step by step: SAGPool and DiffPool."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import DenseSAGEConv, SAGPooling, dense_diff_pool, global_max_pool, global_mean_pool
from torch_geometric.utils import to_dense_adj, to_dense_batch

from runner.models.graph.convolution import GraphConvolution


class SAGPool(nn.Module):
    """Convolution and attention that keeps the best `ratio` of the nodes, again and again; all levels are read.

    The hierarchical architecture of Lee et al. 2019, figure 2: after each level mean and maximum over the nodes that
    are left are added up.
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        hidden: int = 32,
        num_layers: int = 3,
        ratio: float = 0.5,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        pairs = [(in_features, hidden), *[(hidden, hidden)] * (num_layers - 1)]
        self.convolutions = nn.ModuleList([GraphConvolution(*pair) for pair in pairs])
        self.pools = nn.ModuleList([SAGPooling(hidden, ratio) for _ in pairs])
        self.hidden, self.head = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, num_outputs)
        self.dropout = dropout

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, size: int = 1) -> Tensor:
        """Map as ReadoutNet.forward does."""
        batch = x.new_zeros(len(x), dtype=edge_index.dtype) if batch is None else batch
        read = x.new_zeros(size, self.hidden.in_features)
        for convolution, pool in zip(self.convolutions, self.pools, strict=True):
            x = F.relu(convolution(x, edge_index))
            x, edge_index, _, batch, *_ = pool(x, edge_index, batch=batch)
            read = read + torch.cat([global_mean_pool(x, batch, size), global_max_pool(x, batch, size)], 1)
        return self.head(F.dropout(F.relu(self.hidden(read)), self.dropout, self.training))


class DenseBlock(nn.Module):
    """Two dense GraphSAGE layers."""

    def __init__(self, in_features: int, hidden: int, out_features: int) -> None:
        super().__init__()
        self.first, self.second = DenseSAGEConv(in_features, hidden), DenseSAGEConv(hidden, out_features)

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map float (graphs, nodes, in_features), (graphs, nodes, nodes) to (graphs, nodes, out_features)."""
        return self.second(F.relu(self.first(x, adjacency, mask)), adjacency, mask)


class DiffPool(nn.Module):
    """Every level assigns nodes to fewer clusters, softly, and goes on with those (Ying et al. 2018).

    Graphs are padded to the largest of the batch. In training mode `penalty` holds what the paper adds to the loss
    (section 3.2): link prediction error and entropy of the assignment, 0-d.

    Args:
        clusters: nodes after each level.
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        hidden: int = 32,
        clusters: tuple[int, ...] = (8, 2),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        before = [in_features, *[hidden] * (len(clusters) - 1)]
        self.embeddings = nn.ModuleList([DenseBlock(width, hidden, hidden) for width in before])
        self.assignments = nn.ModuleList(
            [DenseBlock(each, hidden, count) for each, count in zip(before, clusters, strict=True)]
        )
        self.last = DenseBlock(hidden, hidden, hidden)
        self.hidden, self.head = nn.Linear(hidden, hidden), nn.Linear(hidden, num_outputs)
        self.dropout = dropout
        self.penalty = torch.zeros(())

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, size: int = 1) -> Tensor:
        """Map as ReadoutNet.forward does."""
        batch = x.new_zeros(len(x), dtype=edge_index.dtype) if batch is None else batch
        nodes, mask = to_dense_batch(x, batch, batch_size=size)
        adjacency = to_dense_adj(edge_index, batch, max_num_nodes=nodes.shape[1], batch_size=size)
        self.penalty = x.new_zeros(())  # and stays so in evaluation: a network that holds a graph cannot be copied
        given: Tensor | None = mask
        for embed, assign in zip(self.embeddings, self.assignments, strict=True):
            embedded = F.relu(embed(nodes, adjacency, given))
            shares = assign(nodes, adjacency, given)
            nodes, adjacency, link, entropy = dense_diff_pool(embedded, adjacency, shares, given)
            self.penalty, given = self.penalty + link + entropy if self.training else self.penalty, None
        # A graph without nodes has empty clusters, which read as zeros like in every other network.
        there = (torch.bincount(batch, minlength=size) > 0).to(x.dtype)[:, None]
        read = F.relu(self.hidden(self.last(nodes, adjacency).mean(1) * there))
        return self.head(F.dropout(read, self.dropout, self.training))
