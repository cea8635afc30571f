"""Mutag and Proteins: molecules as graphs, from the TU collection (Morris et al. 2020)."""

import contextlib
import io
from pathlib import Path
from typing import Any, ClassVar

from runner.data.graph import pyg_files
from runner.data.graph.graph_level import Graphs, GraphsDataModule
from runner.data.module import Source

NEEDED = ("A", "graph_indicator", "graph_labels", "node_labels")


class TUGraphs(GraphsDataModule):
    """A dataset of the collection: nodes have one-hot labels as features.

    Its text files may lie in `root` or as PyG lays them out (`<name>/raw`); they are only read. The collection has no
    official split; `split_seed` decides.
    """

    collection_name: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]

    def __init__(self, *, root: str, **graphs: Any) -> None:
        super().__init__(**graphs)
        self.root = Path(root)

    def load(self) -> Source:
        """Read the files through PyG, downloading them first if need be."""
        from torch_geometric.datasets import TUDataset

        name = self.collection_name
        needed = [f"{name}_{part}.txt" for part in NEEDED]
        folder = pyg_files.obtain(self.root, name, needed, lambda root: TUDataset(str(root), name))
        with pyg_files.copied(folder, name, needed) as place, contextlib.redirect_stderr(io.StringIO()):
            dataset = TUDataset(str(place), name)
        content, starts = dataset._data, dataset.slices
        graphs = Graphs(content.x, content.edge_index, starts["x"].diff(), starts["edge_index"].diff())
        return Source(graphs, content.y, class_names=self.labels)


class Mutag(TUGraphs):
    """188 nitroaromatic compounds, mutagenic or not; seven kinds of atoms (Debnath et al. 1991)."""

    collection_name = "MUTAG"
    labels = ("not mutagenic", "mutagenic")


class Proteins(TUGraphs):
    """1,113 proteins, enzymes or not; three kinds of structure elements (Borgwardt et al. 2005)."""

    collection_name = "PROTEINS"
    labels = ("enzyme", "not an enzyme")
