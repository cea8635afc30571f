"""ClusterSampling: the graph is cut once into parts, and a batch is some of them (Chiang et al. 2019, Cluster-GCN)."""

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from torch import Tensor
from torch_geometric import typing as installed

from runner.data.graph.graph import Graph
from runner.data.graph.sampler import Adjacency, Sampler, SamplingPlan, subgraph
from runner.errors import RunnerError


class ClusterSampling(Sampler):
    """Every epoch each cluster is in exactly one batch of `clusters_a_batch`, with the edges between them.

    METIS cuts the graph where pyg-lib is installed; elsewhere the nodes are put in reverse Cuthill-McKee order
    (neighbours close to each other) and cut into equal parts.

    Args:
        clusters: how many parts.
        clusters_a_batch: how many of them are joined in a batch (section 3.2 of the paper).
    """

    def __init__(self, clusters: int, clusters_a_batch: int = 1) -> None:
        if not 1 <= clusters_a_batch <= clusters:
            raise RunnerError(
                f"data.sampling.clusters_a_batch={clusters_a_batch}: must be from 1 to clusters={clusters}."
            )
        self.clusters, self.clusters_a_batch = clusters, clusters_a_batch

    def plan(self, graph: Graph, train: Tensor, batch_size: int) -> SamplingPlan:
        """See Sampler.plan; how many training nodes a batch asks for is how many lie in its clusters."""
        clusters = min(self.clusters, len(graph.x))
        cluster = (metis if installed.WITH_PYG_LIB else banded)(graph.edge_index, len(graph.x), clusters)
        return SamplingPlan(Clusters(graph, train, cluster), torch.arange(clusters), self.clusters_a_batch)


class Clusters:
    """Cluster numbers to the graph of their nodes, asked for the training nodes among them."""

    def __init__(self, graph: Graph, train: Tensor, cluster: Tensor) -> None:
        self.graph, self.cluster = graph, cluster
        self.adjacency = Adjacency(graph.edge_index, len(graph.x))
        self.trains = torch.zeros(len(graph.x), dtype=torch.bool)
        self.trains[train] = True

    def __getitem__(self, clusters: Tensor) -> Graph:
        nodes = torch.isin(self.cluster, clusters).nonzero().flatten()
        seeds = self.trains[nodes].nonzero().flatten()
        return subgraph(self.graph, self.adjacency, nodes, self.adjacency.edges_between(nodes), seeds=seeds)


def banded(edge_index: Tensor, nodes: int, clusters: int) -> Tensor:
    """Return int64 (nodes,): the cluster of each node, clusters of equal size (to one node)."""
    source, target = edge_index.numpy()
    matrix = csr_array(coo_array((np.ones(len(source), dtype=np.int8), (source, target)), shape=(nodes, nodes)))
    order = torch.from_numpy(reverse_cuthill_mckee(matrix, symmetric_mode=False).astype(np.int64))
    cluster = torch.empty(nodes, dtype=torch.int64)
    cluster[order] = torch.arange(nodes) * clusters // nodes
    return cluster


def metis(edge_index: Tensor, nodes: int, clusters: int) -> Tensor:
    """Return the clusters by METIS (Karypis & Kumar 1998), which cuts fewer edges."""
    import pyg_lib

    adjacency = Adjacency(edge_index, nodes)
    start = torch.cat([adjacency.start, torch.tensor([edge_index.shape[1]])])
    cluster: Tensor = pyg_lib.partition.metis(start, edge_index[0].contiguous(), clusters)
    return cluster
