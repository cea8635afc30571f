"""NeighborSampling: some neighbours of the training nodes, some of theirs, … (Hamilton et al. 2017, GraphSAGE)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric import typing as installed

from runner.data.graph.graph import Graph
from runner.data.graph.sampler import Adjacency, Sampler, SamplingPlan, subgraph
from runner.errors import RunnerError


class NeighborSampling(Sampler):
    """Batches of training nodes with at most `fanouts[h]` incoming edges of every node first met after h hops.

    PyG's compiled sampler does it where pyg-lib or torch-sparse is installed, a few sorts in torch do elsewhere.

    Args:
        fanouts: neighbours drawn at each hop, without replacement; one for each layer of the network, -1 for all.
    """

    def __init__(self, fanouts: Sequence[int]) -> None:
        if not fanouts or any(count == 0 or count < -1 for count in fanouts):
            raise RunnerError(
                f"data.sampling.fanouts={list(fanouts)}: one number a hop, at least 1 (or -1 for all neighbours)."
            )
        self.fanouts = tuple(fanouts)

    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """See Sampler.plan."""
        compiled = installed.WITH_PYG_LIB or installed.WITH_TORCH_SPARSE
        rows = CompiledNeighborhoods if compiled and graph.edge_weight is None else Neighborhoods
        return SamplingPlan(rows(graph, self.fanouts), train, batch_size)


class Neighborhoods:
    """Training nodes to their sampled neighbourhood, the training nodes first."""

    def __init__(self, graph: Graph, fanouts: tuple[int, ...]) -> None:
        self.graph, self.fanouts = graph, fanouts
        self.adjacency = Adjacency(graph.edge_index, len(graph.x))

    def __getitem__(self, seeds: Tensor) -> Graph:
        met = torch.zeros(len(self.graph.x), dtype=torch.bool)
        met[seeds] = True
        nodes, edges, frontier = [seeds], [], seeds
        for fanout in self.fanouts:
            drawn = self.draw(frontier, fanout)
            sources = self.adjacency.edge_index[0, drawn].unique()
            frontier = sources[~met[sources]]
            met[frontier] = True
            nodes.append(frontier)
            edges.append(drawn)
        asked = {"seeds": torch.arange(len(seeds))}
        return subgraph(self.graph, self.adjacency, torch.cat(nodes), torch.cat(edges), **asked)

    def draw(self, targets: Tensor, fanout: int) -> Tensor:
        """Return positions of at most `fanout` random incoming edges of each target."""
        edges = self.adjacency.incoming_edges(targets)
        counts = self.adjacency.degree[targets]
        if fanout < 0 or not len(edges) or int(counts.max()) <= fanout:
            return edges
        owner = torch.arange(len(targets)).repeat_interleave(counts)
        shuffled = torch.rand(len(edges)).argsort()
        order = shuffled[owner[shuffled].argsort(stable=True)]  # by target, at random within each
        rank = torch.arange(len(edges)) - (torch.cumsum(counts, 0) - counts).repeat_interleave(counts)
        return edges[order[rank < fanout]]


class CompiledNeighborhoods:
    """The same through PyG's sampler, for which it needs pyg-lib or torch-sparse."""

    def __init__(self, graph: Graph, fanouts: tuple[int, ...]) -> None:
        from torch_geometric.data import Data
        from torch_geometric.sampler import NeighborSampler

        self.graph = graph
        data = Data(edge_index=graph.edge_index, num_nodes=len(graph.x))
        self.sampler: Any = NeighborSampler(data, list(fanouts))

    def __getitem__(self, seeds: Tensor) -> Graph:
        from torch_geometric.sampler import NodeSamplerInput

        drawn = self.sampler.sample_from_nodes(NodeSamplerInput(None, seeds))
        edge_index = torch.stack([drawn.row, drawn.col])
        return Graph(self.graph.x[drawn.node], edge_index, nodes=drawn.node, seeds=torch.arange(len(seeds)))
