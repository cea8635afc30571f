"""Cora: 2,708 papers that cite each other, in seven fields; the split of Planetoid (Yang et al. 2016)."""

import contextlib
import hashlib
import io
from pathlib import Path
from typing import Any

from runner.data.graph import pyg_files
from runner.data.graph.node_level import LabelledGraph, NodeDataModule
from runner.errors import RunnerError

# SHA-256 of the published files. Some are pickles, which could do anything when loaded, so no others are.
PUBLISHED = {
    "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
    "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
    "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
    "ind.cora.test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
    "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
    "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
    "ind.cora.x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
    "ind.cora.y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
}
FIELDS = (
    "theory",
    "reinforcement learning",
    "genetic algorithms",
    "neural networks",
    "probabilistic methods",
    "case based",
    "rule learning",
)


class Cora(NodeDataModule):
    """The field of each paper: 140 training papers (20 a field), 500 for validation, 1,000 for the test.

    Features are float32 (2708, 1433): which words occur. `row_normalize` divides them by their number, as Kipf &
    Welling 2017 do. The eight files may lie in `root` or as PyG lays them out (`Cora/raw`); they are only read.
    """

    def __init__(self, *, root: str, row_normalize: bool = True, **graph: Any) -> None:
        super().__init__(**graph)
        self.root, self.row_normalize = Path(root), row_normalize

    def read_graph(self) -> LabelledGraph:
        """Read the files through PyG, downloading them first if need be.

        Raises:
            RunnerError: they are neither there nor to be had, or not the published ones.
        """
        from torch_geometric.datasets import Planetoid

        names = list(PUBLISHED)
        folder = pyg_files.obtain(self.root, "Cora", names, lambda root: Planetoid(str(root), "Cora"))
        check_published(folder)
        with pyg_files.copied(folder, "Cora", names) as place, contextlib.redirect_stderr(io.StringIO()):
            cora = Planetoid(str(place), "Cora")[0]
        x = cora.x / cora.x.sum(1, keepdim=True).clamp(min=1) if self.row_normalize else cora.x
        train, val, test = (mask.nonzero().flatten() for mask in (cora.train_mask, cora.val_mask, cora.test_mask))
        return LabelledGraph(x, cora.edge_index, cora.y, train, val, test, FIELDS)


def check_published(folder: Path) -> None:
    """Raise RunnerError where a file is not the published one; it names the file."""
    for name, digest in PUBLISHED.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise RunnerError(
                f"{folder / name}: not the published file (its SHA-256 differs), so it is not loaded. "
                "Remove it, and it is downloaded again."
            )
