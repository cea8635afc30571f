"""ToyGraph: four nodes and six edges, small enough to add up by hand."""

import torch

from runner.data.graph.node_level import LabelledGraph, NodeDataModule

# Node 2 is where most edges end; the pair 0, 1 points both ways.
EDGES = ((0, 1), (1, 0), (0, 2), (1, 2), (3, 2), (2, 3))


class ToyGraph(NodeDataModule):
    """Nodes 0 to 3 with their number + 1 as the only feature; class 1 if more than one edge ends in a node.

    All splits are the same four nodes, so scores say how well they are fitted and nothing else.
    """

    def read_graph(self) -> LabelledGraph:
        """Return the graph."""
        x = torch.arange(1.0, 5.0)[:, None]
        edge_index = torch.tensor(EDGES).T
        targets = (torch.bincount(edge_index[1], minlength=4) > 1).long()
        everyone = torch.arange(4)
        return LabelledGraph(x, edge_index, targets, everyone, everyone, everyone, ("at most one", "several"))
