"""Graph: nodes, edges and what is asked of them, as the plain tensors that a batch is made of."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from runner.errors import RunnerError


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph, or several side by side without edges between them.

    Attributes:
        x: float32 (nodes, features).
        edge_index: int64 (2, edges); row 0 the sources, row 1 the targets; an undirected edge is there both ways.
        edge_weight: float32 (edges,), or None where all weigh 1.
        propagation: what a sampler estimated of the normalised adjacency matrix with self-loops, by edge: float32
            (edges,), or (layers, edges) where layers were sampled one by one. None: networks normalise themselves.
        nodes: int64 (nodes,), the nodes' numbers in the graph they were taken from.
        seeds: int64 (n,), the nodes, numbered as in `x`, whose outputs are asked for; None where graphs are asked.
        importance: float32 (n,), what each seed counts for in the mean loss (1 on average); None where all are alike.
        batch: int64 (nodes,), ascending: which of `size` graphs a node belongs to; None for a single graph.
        size: how many graphs; some may have no node.
    """

    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None = None
    propagation: Tensor | None = None
    nodes: Tensor | None = None
    seeds: Tensor | None = None
    importance: Tensor | None = None
    batch: Tensor | None = None
    size: int = 1

    @property
    def shape(self) -> torch.Size:
        """(nodes, features)."""
        return self.x.shape

    def __len__(self) -> int:
        """Return the number of outputs that are asked for."""
        return self.size if self.seeds is None else len(self.seeds)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Graph":
        """Return the graph on a device; itself where it is there already."""
        if self.x.device == torch.device(device):
            return self
        moved = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in moved.items():
            moved[name] = value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
        return Graph(**moved)

    def cpu(self) -> "Graph":
        """Return the graph on the CPU."""
        return self.to("cpu")

    def with_seeds(self, seeds: Tensor | None) -> "Graph":
        """Return the same graph, asked for other nodes."""
        return replace(self, seeds=seeds, importance=None)


def coalesce(edge_index: Tensor, edge_weight: Tensor | None, nodes: int) -> tuple[Tensor, Tensor | None]:
    """Return edges sorted by target, each once: an edge or a self-loop given twice counts once, with its last weight.

    Raises:
        RunnerError: edges are no pairs, or name a node that is not there.
    """
    if edge_index.ndim != 2 or edge_index.shape[0] != 2 or edge_index.dtype != torch.int64:
        shape = tuple(edge_index.shape)
        raise RunnerError(f"Edges must be pairs of node numbers, int64 (2, edges), not {edge_index.dtype} {shape}.")
    bad = ((edge_index < 0) | (edge_index >= nodes)).any(0).nonzero().flatten()
    if len(bad):
        first, (source, target) = int(bad[0]), edge_index[:, bad[0]].tolist()
        raise RunnerError(
            f"Edge {first} goes from node {source} to node {target}, but the nodes are numbered 0 to {nodes - 1} "
            f"({len(bad)} such edges). Mend the edge list, or add the missing nodes."
        )
    keys = edge_index[1] * max(nodes, 1) + edge_index[0]
    unique, place = keys.unique(return_inverse=True)
    if edge_weight is not None:
        last = torch.zeros(len(unique), dtype=torch.int64)
        last.scatter_reduce_(0, place, torch.arange(len(keys)), "amax", include_self=True)
        edge_weight = edge_weight[last]
    return torch.stack([unique % max(nodes, 1), unique // max(nodes, 1)]), edge_weight
