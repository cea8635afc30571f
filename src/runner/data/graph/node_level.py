"""NodeDataModule: one graph whose nodes are the samples; some are learned from, others judged by."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.batches import BatchLoader
from runner.data.graph.graph import Graph, coalesce
from runner.data.graph.sampler import FullGraph, Sampler
from runner.data.module import DataModule, Samples, Source
from runner.errors import RunnerError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledGraph:
    """A graph as it was read.

    Attributes:
        x: float32 (nodes, features).
        edge_index: int64 (2, edges), both directions of undirected edges.
        targets: int64 (nodes,), the class of every node.
        train, val, test: int64 node numbers; what is in none of them is context only.
        class_names: by class index.
        edge_weight: float32 (edges,), or None.
    """

    x: Tensor
    edge_index: Tensor
    targets: Tensor
    train: Tensor
    val: Tensor
    test: Tensor
    class_names: tuple[str, ...]
    edge_weight: Tensor | None = None


class Nodes:
    """Rows of a graph: a tensor of node numbers to the whole graph, asked for these nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __getitem__(self, nodes: Tensor) -> Graph:
        return self.graph.with_seeds(nodes)

    def __len__(self) -> int:
        return len(self.graph.x)


class NodeLoader(BatchLoader):
    """Batches of graphs asked for nodes, with these nodes' targets; no batch is left out, however small."""

    def __len__(self) -> int:
        return -(-len(self._share()) // self.batch_size)

    def _cut(self, chunks: Sequence[Tensor]) -> Iterator[tuple[Any, Tensor]]:
        if self.num_workers:
            raise RunnerError("data.num_workers: graphs are sampled in the main process; set it to 0.")
        for chunk in chunks:
            graph: Any = self.inputs[chunk]
            yield graph, self.targets[graph.seeds if graph.nodes is None else graph.nodes[graph.seeds]]


class NodeDataModule(DataModule):
    """Train, validation and test nodes of one graph; a subclass writes `read_graph`.

    A training batch is what `sampling` makes of it: the whole graph asked for `batch_size` nodes, or a part of it.
    Evaluation sees the whole graph and asks for a whole split at once. Splits are the dataset's own; folds divide
    training and validation nodes.
    """

    kind = "graph"
    most_at_once = 1  # to a network that is bound to its graph all nodes together are one sample

    def __init__(self, *, num_classes: int, sampling: Sampler | None = None, **module: Any) -> None:
        super().__init__(**module)
        self.num_classes = num_classes
        self.sampling = sampling if sampling is not None else FullGraph()
        self.labelled: LabelledGraph | None = None

    @abstractmethod
    def read_graph(self) -> LabelledGraph:
        """Return the whole graph; raises RunnerError where it is neither there nor to be had."""

    def load(self) -> Source:
        """Return the graph, its edges in order and each once."""
        whole = self.read_graph()
        check_classes(self.num_classes, whole.class_names)
        edge_index, edge_weight = coalesce(whole.edge_index, whole.edge_weight, len(whole.x))
        self.labelled = whole
        graph = Graph(whole.x, edge_index, edge_weight)
        warn_of_unseen_classes(whole)
        return Source(Nodes(graph), whole.targets, whole.val, whole.test, whole.class_names)

    def divide(self, source: Source) -> dict[str, Samples]:
        """Return the split of the dataset's makers."""
        assert self.labelled is not None
        parts = {name: getattr(self.labelled, name) for name in ("train", "val", "test")}
        return {name: Samples(source.inputs, source.targets, rows) for name, rows in parts.items()}

    @property
    def graph(self) -> Graph:
        """The whole graph; the data must be set up."""
        nodes: Any = self.splits["train"].rows
        return nodes.graph

    def transform(self, inputs: Any) -> Any:
        """Return the inputs as they are: features were prepared when the graph was read."""
        return inputs

    def train_dataloader(self) -> BatchLoader:
        """Return training nodes in batches, each in the part of the graph that the sampler takes."""
        train = self.splits["train"]
        plan = self.sampling.plan(self.graph, train.indices, self.batch_size)
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        return self._node_loader(plan.rows, train.row_targets, plan.items, plan.items_a_batch, shuffle=not overfit)

    def read(self, paths: list[Path]) -> Tensor:
        """Refuse to read: a network that learned one graph is asked about that graph's nodes.

        Raises:
            RunnerError: always.
        """
        raise RunnerError(
            f"{paths[0]}: this network knows the nodes of its own graph only. Leave the files out: "
            "python -m runner predict RUN_DIRECTORY gives the class of every node."
        )

    def example(self, count: int = 2) -> Tensor:
        """Return float32 (1, nodes, features): the only sample of a network that is bound to the graph."""
        return self.graph.x[None]

    def identify(self, row: int) -> dict[str, Any]:
        """Return the node's number."""
        return {"node": row}

    def own_samples(self) -> Tensor:
        """Return all nodes."""
        return torch.arange(len(self.graph.x))

    def _loader(self, split: str, *, shuffle: bool = False) -> BatchLoader:
        samples = self.splits[split]
        size = max(len(samples), 1)
        return self._node_loader(samples.rows, samples.row_targets, samples.indices, size, shuffle=shuffle)

    def _node_loader(self, rows: Any, targets: Any, items: Tensor, size: int, *, shuffle: bool) -> BatchLoader:
        trainer = self.trainer
        return NodeLoader(
            rows,
            targets,
            items,
            batch_size=size,
            shuffle=shuffle,
            seed=self.shuffle_seed,
            rank=trainer.global_rank if trainer is not None else 0,
            world_size=trainer.world_size if trainer is not None else 1,
            num_workers=self.num_workers,
        )


def check_classes(declared: int, names: Sequence[str]) -> None:
    """Raise RunnerError where the configuration declares another number of classes than the data has."""
    if declared != len(names):
        raise RunnerError(f"data.num_classes is {declared}, but the data has {len(names)} classes.")


def warn_of_unseen_classes(whole: LabelledGraph) -> None:
    """Warn of classes that are judged but never learned: they count as wrong, since nothing can predict them."""
    seen = set(whole.targets[whole.train].tolist())
    asked = set(whole.targets[torch.cat([whole.val, whole.test])].tolist())
    if unseen := sorted(asked - seen):
        names = ", ".join(whole.class_names[index] for index in unseen)
        log.warning("No training node is of class %s; nodes of such a class can only be predicted wrong.", names)
