"""GraphSAINT (Zeng et al. 2020): subgraphs by random nodes, edges or walks, and what mends their bias."""

from abc import abstractmethod

import torch
from torch import Tensor

from runner.data.graph.graph import Graph
from runner.data.graph.sampler import Adjacency, Sampler, SamplingPlan, subgraph
from runner.data.graph.sampling.layer import importance, with_self_loops


class SaintSampling(Sampler):
    """Random subgraphs as batches, with all edges among their nodes; `batch_size` says how much is drawn for each.

    Before training, subgraphs are drawn until a node was in `coverage` of them on average. How often node v and edge
    (u, v) were among them gives the probabilities p(v) and p(u, v) by which loss and sums are divided (section 3.2):
    a training node counts 1 / (p(v) * training nodes), an entry of Â is multiplied by p(v) / p(u, v). In expectation
    that is the loss of the whole graph, and the sum over all neighbours of a node that is there.

    Args:
        steps: subgraphs an epoch.
        coverage: see above; more is more exact and takes longer.
    """

    def __init__(self, steps: int = 4, coverage: int = 50) -> None:
        self.steps, self.coverage = steps, coverage

    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """See Sampler.plan."""
        return SamplingPlan(Subgraphs(self, with_self_loops(graph), train, batch_size), torch.arange(self.steps), 1)

    @abstractmethod
    def draw(self, graph: Graph, adjacency: Adjacency, budget: int) -> Tensor:
        """Return the nodes, each once, of one random subgraph."""


class SaintNodes(SaintSampling):
    """`batch_size` nodes with replacement, node u with probability ~ |Â[:, u]|²."""

    def draw(self, graph: Graph, adjacency: Adjacency, budget: int) -> Tensor:
        """See SaintSampling.draw."""
        return torch.multinomial(importance(graph), budget, replacement=True).unique()


class SaintEdges(SaintSampling):
    """Both ends of `batch_size` edges with replacement, edge (u, v) with probability ~ 1/degree(u) + 1/degree(v)."""

    def draw(self, graph: Graph, adjacency: Adjacency, budget: int) -> Tensor:
        """See SaintSampling.draw."""
        inverse = 1 / adjacency.degree.clamp(min=1)
        source, target = adjacency.edge_index
        drawn = torch.multinomial(inverse[source] + inverse[target], budget, replacement=True)
        return adjacency.edge_index[:, drawn].unique()


class SaintWalks(SaintSampling):
    """All nodes met by `batch_size` random walks from uniform roots.

    Args:
        length: steps of a walk.
    """

    def __init__(self, length: int = 2, steps: int = 4, coverage: int = 50) -> None:
        super().__init__(steps, coverage)
        self.length = length

    def draw(self, graph: Graph, adjacency: Adjacency, budget: int) -> Tensor:
        """See SaintSampling.draw; every node has its self-loop, so no walk gets stuck."""
        place = torch.randint(adjacency.nodes, (budget,))
        met = [place]
        for _ in range(self.length):
            step = (torch.rand(budget) * adjacency.degree[place]).long()
            place = adjacency.edge_index[0, adjacency.start[place] + step]
            met.append(place)
        return torch.cat(met).unique()


class Subgraphs:
    """Any item to one more random subgraph, asked for the training nodes in it, with its corrections."""

    def __init__(self, sampling: SaintSampling, graph: Graph, train: Tensor, budget: int) -> None:
        assert graph.propagation is not None
        self.sampling, self.graph, self.budget = sampling, graph, budget
        self.adjacency = Adjacency(graph.edge_index, len(graph.x))
        self.trains = torch.zeros(len(graph.x), dtype=torch.bool)
        self.trains[train] = True
        node, edge = self.estimate()
        self.importance = 1 / (node * max(len(train), 1))
        self.entries = graph.propagation * node[graph.edge_index[1]] / edge

    def __getitem__(self, items: Tensor) -> Graph:
        nodes = self.sampling.draw(self.graph, self.adjacency, self.budget)
        edges = self.adjacency.edges_between(nodes)
        seeds = self.trains[nodes].nonzero().flatten()
        asked = {"seeds": seeds, "importance": self.importance[nodes[seeds]], "propagation": self.entries[edges]}
        return subgraph(self.graph, self.adjacency, nodes, edges, **asked)

    def estimate(self) -> tuple[Tensor, Tensor]:
        """Return the probabilities that a node (nodes,) and an edge (edges,) are drawn; never met counts as once.

        The nodes' self-loops are edges, too, met as often as the nodes.
        """
        node, edge = torch.zeros(self.adjacency.nodes), torch.zeros(self.adjacency.edge_index.shape[1])
        wanted, rounds = self.sampling.coverage * self.adjacency.nodes, 0
        while node.sum() < wanted:
            nodes = self.sampling.draw(self.graph, self.adjacency, self.budget)
            node[nodes] += 1
            edge[self.adjacency.edges_between(nodes)] += 1
            rounds += 1
        rounds = max(rounds, 1)
        return node.clamp(min=1) / rounds, edge.clamp(min=1) / rounds
