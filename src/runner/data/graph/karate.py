"""Karate: the 34 members of a club that broke in two, told apart by who met whom (Zachary 1977)."""

from typing import Any

import torch
from torch import Tensor

from runner.data.graph.node_level import LabelledGraph, NodeDataModule
from runner.errors import RunnerError

# The instructor, the administrator, and the two members whom friendships alone put on the wrong side: number 8 (he
# was three weeks from his black belt, Zachary writes) and number 30.
KNOWN = (0, 33, 8, 30)


class Karate(NodeDataModule):
    """The side a member took, or the one of four communities a member belongs to; ships with PyG, no file is read.

    Features are float32 (34, 34), one-hot member numbers. Four members train, the other 30 are the test; there is no
    validation split, so the last weights count.

    Source: W. W. Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", 1977.

    Args:
        num_classes: 2 for the sides that the club broke into, learned from its two leaders and the two members who
            are hardest to tell; 4 for communities by modularity, learned from one member of each, as PyG has them.
        weighted: edges count by how often two members met (Zachary's table of contexts).
    """

    def __init__(self, *, num_classes: int = 2, weighted: bool = True, **graph: Any) -> None:
        if num_classes not in (2, 4):
            raise RunnerError(f"data.num_classes={num_classes}: 2 (sides) or 4 (communities).")
        super().__init__(num_classes=num_classes, **graph)
        self.weighted = weighted

    def read_graph(self) -> LabelledGraph:
        """Return the graph as PyG has it; sides and weights as NetworkX has them."""
        import networkx as nx
        from torch_geometric.datasets import KarateClub

        club, record = KarateClub()[0], nx.karate_club_graph()
        if self.num_classes == 4:
            targets, known = club.y, club.train_mask.nonzero().flatten()
            names = tuple(f"community {number}" for number in range(4))
        else:
            targets = torch.tensor([int(record.nodes[member]["club"] == "Officer") for member in range(34)])
            known, names = torch.tensor(KNOWN), ("instructor", "administrator")
        weight = self.meetings(club.edge_index, record) if self.weighted else None
        others = torch.ones(34, dtype=torch.bool)
        others[known] = False
        return LabelledGraph(
            x=club.x,
            edge_index=club.edge_index,
            targets=targets,
            train=known,
            val=known[:0],
            test=others.nonzero().flatten(),
            class_names=names,
            edge_weight=weight,
        )

    def meetings(self, edge_index: Tensor, record: Any) -> Tensor:
        """Return float32 (edges,): in how many contexts the two members of each edge met."""
        return torch.tensor([float(record.edges[pair]["weight"]) for pair in edge_index.T.tolist()])
