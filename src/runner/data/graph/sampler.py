"""Sampler: which part of a graph a training batch sees."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from runner.data.graph.graph import Graph


class GraphRows(Protocol):
    """A tensor of items to the graph of a batch."""

    def __getitem__(self, items: Tensor, /) -> Graph: ...


@dataclass(frozen=True)
class SamplingPlan:
    """An epoch: `items` int64 (n,) are shuffled, cut into batches of `items_a_batch`, and each batch is `rows[cut]`.

    Items are what a strategy draws by: training nodes, clusters, or just numbers of draws.
    """

    rows: GraphRows
    items: Tensor
    items_a_batch: int


class Sampler(ABC):
    """A strategy. Random draws come from torch's generator, so a resumed run draws what it would have drawn."""

    @abstractmethod
    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """Return the plan of an epoch over the training nodes `train` int64 (n,); edges are sorted by target."""


class FullGraph(Sampler):
    """The whole graph in every batch, asked for `batch_size` training nodes."""

    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """See Sampler.plan."""
        return SamplingPlan(Asked(graph), train, batch_size)


class Asked:
    """Node numbers to the whole graph, asked for them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __getitem__(self, nodes: Tensor) -> Graph:
        return self.graph.with_seeds(nodes)


class Adjacency:
    """The edges of a graph by target: which edges come into which node.

    Args:
        edge_index: int64 (2, edges), sorted by target.
        nodes: how many there are.
    """

    def __init__(self, edge_index: Tensor, nodes: int) -> None:
        self.edge_index, self.nodes = edge_index, nodes
        self.degree = torch.bincount(edge_index[1], minlength=nodes)
        self.start = torch.cumsum(self.degree, 0) - self.degree

    def incoming_edges(self, targets: Tensor) -> Tensor:
        """Return int64 (n,): the positions in `edge_index` of all edges into `targets`, target by target."""
        counts = self.degree[targets]
        first = torch.cumsum(counts, 0) - counts
        offset = torch.arange(int(counts.sum())) - first.repeat_interleave(counts)
        return self.start[targets].repeat_interleave(counts) + offset

    def positions_of(self, nodes: Tensor) -> Tensor:
        """Return int64 (all nodes,): the position of each of `nodes` among them, -1 for the others."""
        place = torch.full((self.nodes,), -1)
        place[nodes] = torch.arange(len(nodes))
        return place

    def edges_between(self, nodes: Tensor) -> Tensor:
        """Return positions in `edge_index` of the edges whose both ends are in `nodes`."""
        edges = self.incoming_edges(nodes)
        inside = torch.zeros(self.nodes, dtype=torch.bool)
        inside[nodes] = True
        return edges[inside[self.edge_index[0, edges]]]


def subgraph(graph: Graph, adjacency: Adjacency, nodes: Tensor, edges: Tensor, **asked: Any) -> Graph:
    """Return the graph of `nodes` and `edges` (positions); `asked` are further attributes of the result."""
    place = adjacency.positions_of(nodes)
    weight = graph.edge_weight[edges] if graph.edge_weight is not None else None
    return Graph(graph.x[nodes], place[adjacency.edge_index[:, edges]], weight, nodes=nodes, **asked)
