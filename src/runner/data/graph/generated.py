"""GeneratedGraphs: graphs of six shapes made from a seed, for graph classification without any download."""

from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from runner.data.graph.graph_level import GraphsDataModule, pack_graphs
from runner.data.module import Source
from runner.errors import RunnerError

SHAPES = ("cycle", "star", "grid", "tree", "wheel", "ladder")
# Degrees from this on share a feature.
LARGEST_DEGREE = 9


class GeneratedGraphs(GraphsDataModule):
    """Graphs of six shapes with random edges added: cycle, star, grid, tree, wheel or ladder.

    Features are float32 (nodes, 10): one-hot degree, 9 and more alike. One `generator_seed` makes one set of graphs.

    Args:
        graphs_a_class: how many of each shape.
        smallest, largest: about how many nodes a graph has.
        noise: random edges added, as a share of the graph's own.
    """

    def __init__(
        self,
        *,
        graphs_a_class: int = 100,
        smallest: int = 8,
        largest: int = 30,
        noise: float = 0.1,
        generator_seed: int = 0,
        **graphs: Any,
    ) -> None:
        super().__init__(**graphs)
        if not 6 <= smallest <= largest:
            raise RunnerError(
                f"data.smallest={smallest} data.largest={largest}: must be at least 6, and in this order."
            )
        self.graphs_a_class, self.smallest, self.largest = graphs_a_class, smallest, largest
        self.noise, self.generator_seed = noise, generator_seed

    def load(self) -> Source:
        """Make the graphs, shape after shape."""
        generator = np.random.default_rng(self.generator_seed)
        targets = torch.arange(len(SHAPES)).repeat_interleave(self.graphs_a_class)
        made = [self.make(SHAPES[shape], generator) for shape in targets.tolist()]
        return Source(pack_graphs(made), targets, class_names=SHAPES)

    def make(self, shape: str, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return the features and the edges, both directions of each, of one graph."""
        graph = draw(shape, int(generator.integers(self.smallest, self.largest + 1)), generator)
        nodes = graph.number_of_nodes()
        for _ in range(round(self.noise * graph.number_of_edges())):
            source, target = generator.choice(nodes, 2, replace=False).tolist()
            graph.add_edge(source, target)
        order = generator.permutation(nodes)  # the place of a node must not tell the shape
        edges = torch.from_numpy(order[np.array(graph.edges, dtype=np.int64)]).T
        edges = torch.cat([edges, edges.flip(0)], 1)
        return self.features(edges, nodes), edges

    def features(self, edge_index: Tensor, nodes: int) -> Tensor:
        """Return the one-hot degrees of the nodes."""
        degree = torch.bincount(edge_index[1], minlength=nodes).clamp(max=LARGEST_DEGREE)
        return torch.nn.functional.one_hot(degree, LARGEST_DEGREE + 1).float()


def draw(shape: str, nodes: int, generator: np.random.Generator) -> nx.Graph:
    """Return a graph of this shape with about `nodes` nodes, numbered from 0."""
    made: dict[str, Any] = {
        "cycle": lambda: nx.cycle_graph(nodes),
        "star": lambda: nx.star_graph(nodes - 1),
        "grid": lambda: nx.grid_2d_graph(3, max(nodes // 3, 2)),
        "tree": lambda: nx.random_labeled_tree(nodes, seed=int(generator.integers(2**31))),
        "wheel": lambda: nx.wheel_graph(nodes),
        "ladder": lambda: nx.ladder_graph(nodes // 2),
    }
    return nx.convert_node_labels_to_integers(made[shape]())
