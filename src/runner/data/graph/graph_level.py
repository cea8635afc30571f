"""GraphsDataModule: many graphs, each of them a sample with a class."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.graph.graph import Graph, coalesce
from runner.data.module import DataModule, Samples
from runner.errors import RunnerError
from runner.files.reading import parse_json

# Of one graph in a file of somebody's.
MOST_VALUES, MOST_NODES = 50_000_000, 2**24


class Graphs:
    """Rows that are graphs, laid end to end: a tensor of their numbers to one `Graph` that holds them side by side.

    Args:
        x: float32 (all nodes, features).
        edge_index: int64 (2, all edges), nodes numbered within their graph.
        nodes, edges: int64 (graphs,), how many each graph has; a graph may have none.
    """

    def __init__(self, x: Tensor, edge_index: Tensor, nodes: Tensor, edges: Tensor) -> None:
        self.x, self.edge_index, self.nodes, self.edges = x, edge_index, nodes, edges
        self.first_node, self.first_edge = nodes.cumsum(0) - nodes, edges.cumsum(0) - edges

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, graphs: Tensor) -> Graph:
        nodes, edges = self.nodes[graphs], self.edges[graphs]
        batch = torch.arange(len(graphs)).repeat_interleave(nodes)
        x = self.x[concatenated_ranges(self.first_node[graphs], nodes)]
        shift = (nodes.cumsum(0) - nodes).repeat_interleave(edges)
        edge_index = self.edge_index[:, concatenated_ranges(self.first_edge[graphs], edges)] + shift
        return Graph(x, edge_index, batch=batch, size=len(graphs))


def concatenated_ranges(first: Tensor, counts: Tensor) -> Tensor:
    """Return int64: first[0], first[0] + 1, … (counts[0] of them), then the same from first[1], and so on."""
    within = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return first.repeat_interleave(counts) + within


def pack_graphs(graphs: list[tuple[Tensor, Tensor]]) -> Graphs:
    """Return `Graphs` of pairs (x, edge_index); edges are put in order and each once.

    Raises:
        RunnerError: an edge names a node that its graph does not have.
    """
    edges = []
    for number, (x, edge_index) in enumerate(graphs):
        try:
            edges.append(coalesce(edge_index, None, len(x))[0])
        except RunnerError as error:
            raise RunnerError(f"Graph {number}: {error}") from None
    nodes = torch.tensor([len(x) for x, _ in graphs])
    counts = torch.tensor([pairs.shape[1] for pairs in edges])
    return Graphs(torch.cat([x for x, _ in graphs]), torch.cat(edges, 1), nodes, counts)


class GraphsDataModule(DataModule):
    """Train, validation and test graphs; batches hold `batch_size` graphs side by side."""

    kind = "graphs"

    def __init__(self, *, num_classes: int, **module: Any) -> None:
        super().__init__(**module)
        self.num_classes = num_classes

    def setup(self, stage: str | None = None) -> None:
        """Set up as in DataModule; raise RunnerError where the configuration declares another number of classes."""
        super().setup(stage)
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise RunnerError(
                f"data.num_classes is {self.num_classes}, but the data has {len(self.class_names)} classes."
            )

    def transform(self, inputs: Any) -> Any:
        """Return the inputs as they are: features were prepared when the graphs were read."""
        return inputs

    def features(self, edge_index: Tensor, nodes: int) -> Tensor | None:
        """Return float32 (nodes, features) of a graph that has none; None where the data needs given ones."""
        return None

    def read(self, paths: list[Path]) -> Any:
        """Read JSON files `{"nodes": 3, "edges": [[0, 1], [1, 2]], "x": [[…], …]}`; `x` only where nodes have features.

        An edge stands for both directions.

        Raises:
            RunnerError: no such graph; it names the file and what is wrong.
        """
        return pack_graphs([self._graph(path) for path in paths])[torch.arange(len(paths))]

    def _graph(self, path: Path) -> tuple[Tensor, Tensor]:
        try:
            content = parse_json(path.read_bytes(), MOST_VALUES)
            nodes = int(content["nodes"])
            if nodes > MOST_NODES:
                raise ValueError(f"{nodes:,} nodes, and at most {MOST_NODES:,} are read")
            edges = torch.tensor(content["edges"], dtype=torch.int64).reshape(-1, 2).T
            given = torch.tensor(content["x"], dtype=torch.float32) if "x" in content else None
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
            form = '{"nodes": 3, "edges": [[0, 1], [1, 2]]}'
            raise RunnerError(f"{path}: not a graph as JSON, like {form} ({type(error).__name__}: {error}).") from None
        edges = torch.cat([edges, edges.flip(0)], 1)
        try:
            edges = coalesce(edges, None, nodes)[0]
        except RunnerError as error:
            raise RunnerError(f"{path}: {error}") from None
        x = given if given is not None else self.features(edges, nodes)
        if x is None or len(x) != nodes:
            raise RunnerError(f'{path}: "x" must hold the features of its {nodes} nodes, a row each.')
        return x, edges

    def own_samples(self) -> Tensor:
        """Return the test graphs."""
        return self.splits["test"].indices

    def identify(self, row: int) -> dict[str, Any]:
        """Return the graph's number."""
        return {"graph": row}

    def example(self, count: int = 2) -> Any:
        """Return `count` test graphs (training graphs where there is no test)."""
        split: Samples = self.splits["test"] if len(self.splits["test"]) else self.splits["train"]
        return split.spread(count).inputs
