"""LayerSampling: each layer's sum over neighbours estimated from one sample of nodes (Chen et al. 2018, FastGCN)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from runner.data.graph.graph import Graph, coalesce
from runner.data.graph.sampler import Adjacency, Sampler, SamplingPlan, subgraph
from runner.errors import RunnerError


class LayerSampling(Sampler):
    """Batches of training nodes; every layer reads `sizes[layer]` nodes drawn by importance.

    Node u is drawn with probability q(u) ~ |Â[:, u]|², with replacement, and its entry Â[v, u] divided by
    `size * q(u)`: the expected sum over the sample is the sum over all neighbours (equations 3 and 10 of the paper).
    Networks must take `propagation`, the estimate of Â.

    Args:
        sizes: nodes drawn for each layer of the network, the first layer first.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        if not sizes or min(sizes) < 1:
            raise RunnerError(f"data.sampling.sizes={list(sizes)}: one number for each layer, at least 1.")
        self.sizes = tuple(sizes)

    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """See Sampler.plan."""
        return SamplingPlan(Layers(graph, self.sizes), train, batch_size)


class Layers:
    """Training nodes to a graph with an estimate of Â for every layer."""

    def __init__(self, graph: Graph, sizes: tuple[int, ...]) -> None:
        self.graph, self.sizes = with_self_loops(graph), sizes
        assert self.graph.propagation is not None
        self.entries = self.graph.propagation
        self.adjacency = Adjacency(self.graph.edge_index, len(graph.x))
        self.probability = importance(self.graph)

    def __getitem__(self, seeds: Tensor) -> Graph:
        nodes, targets, found = [seeds], seeds, []
        for layer in reversed(range(len(self.sizes))):
            drawn = torch.multinomial(self.probability, self.sizes[layer], replacement=True)
            times = torch.bincount(drawn, minlength=len(self.graph.x))
            edges = self.adjacency.incoming_edges(targets)
            sources = self.adjacency.edge_index[0, edges]
            edges, sources = edges[times[sources] > 0], sources[times[sources] > 0]
            estimate = self.entries[edges] * times[sources] / (self.sizes[layer] * self.probability[sources])
            found.append((layer, edges, estimate))
            targets = drawn.unique()
            nodes.append(targets)
        return self.together(seeds, torch.cat(nodes), found)

    def together(self, seeds: Tensor, nodes: Tensor, found: list[tuple[int, Tensor, Tensor]]) -> Graph:
        """Return one graph with the edges of all layers; a layer's estimate is 0 where it did not draw an edge."""
        others = nodes.unique()
        others = others[~torch.isin(others, seeds)]
        edges, place = torch.cat([edges for _, edges, _ in found]).unique(return_inverse=True)
        propagation = torch.zeros(len(self.sizes), len(edges))
        for (layer, _, estimate), where in zip(found, place.split([len(each[1]) for each in found]), strict=True):
            propagation[layer, where] = estimate
        asked = {"seeds": torch.arange(len(seeds)), "propagation": propagation}
        return subgraph(self.graph, self.adjacency, torch.cat([seeds, others]), edges, **asked)


def with_self_loops(graph: Graph) -> Graph:
    """Return the graph with self-loops and Â = D^-½ (A + I) D^-½ as its propagation, edges sorted by target."""
    edge_index, entries = gcn_norm(graph.edge_index, graph.edge_weight, len(graph.x))
    edge_index, entries = coalesce(edge_index, entries, len(graph.x))
    return Graph(graph.x, edge_index, propagation=entries)


def importance(graph: Graph) -> Tensor:
    """Return float32 (nodes,): q(u) ~ the sum over v of Â[v, u]², adding up to 1."""
    assert graph.propagation is not None
    squares = torch.zeros(len(graph.x)).index_add_(0, graph.edge_index[0], graph.propagation.square())
    return squares / squares.sum()
