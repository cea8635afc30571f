"""Karate: the 34 members of a club that split, learned from one member of each faction (Zachary 1977)."""

import torch

from runner.data.graph.node_level import LabelledGraph, NodeDataModule


class Karate(NodeDataModule):
    """Which of four factions a member belongs to, from friendships alone; ships with PyG, no file is read.

    Features are float32 (34, 34), one-hot member numbers. One labelled member of each faction trains, the other 30 are
    the test; there is no validation split, so the last weights count.

    Source: W. W. Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", 1977; factions by
    modularity as in Perozzi et al. 2014.
    """

    def read_graph(self) -> LabelledGraph:
        """The graph as PyG has it."""
        from torch_geometric.datasets import KarateClub

        club = KarateClub()[0]
        train = club.train_mask.nonzero().flatten()
        test = (~club.train_mask).nonzero().flatten()
        names = tuple(f"faction {number}" for number in range(4))
        return LabelledGraph(club.x, club.edge_index, club.y, train, train[:0], test, names)
