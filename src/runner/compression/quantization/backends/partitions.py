"""Find layers that follow one another without trying every combination, as torchao does: minutes for deep networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.fx import GraphModule, Node
from torch.fx.passes.utils.source_matcher_utils import SourcePartition, get_source_partitions
from torchao.quantization.pt2e import graph_utils
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer

Sequential = list[tuple[SourcePartition, ...]]


def sequential_partitions(
    graph: GraphModule,
    types: list[Any],
    include_functional_equivalent: bool = True,
    filter_fn: Callable[[Node], bool] | None = None,
) -> Sequential:
    """Return what torchao's `find_sequential_partitions` returns, in the same order, of layers of `types` in a row.

    It looks at the product of all layers of each type: 50 convolutions, batch norms, additions and activations make
    six million. Here only what follows is looked at.
    """
    if not graph_utils._valid_type_sequence(types):
        raise ValueError(f"Each type in the sequence must be unique: {types}")
    rows: Sequential = [()]
    for kind in types:
        sources = get_source_partitions(graph.graph, graph_utils._get_matching_types(kind), filter_fn)
        partitions = [each for group in sources.values() for each in group]
        holders = _holders(partitions)
        rows = [
            (*row, partitions[place])
            for row in rows
            for place in (_following(row[-1], holders) if row else range(len(partitions)))
        ]
    return rows


def _holders(partitions: list[SourcePartition]) -> dict[Node, list[int]]:
    """Return the places of the partitions that each node belongs to."""
    places: dict[Node, list[int]] = {}
    for index, partition in enumerate(partitions):
        for node in partition.nodes:
            places.setdefault(node, []).append(index)
    return places


def _following(partition: SourcePartition, holders: dict[Node, list[int]]) -> list[int]:
    return sorted({index for node in partition.nodes for user in node.users for index in holders.get(user, ())})


@contextmanager
def quick_search() -> Iterator[None]:
    """Let the quantizers for Inductor search by `sequential_partitions` within this context."""
    slow = x86_inductor_quantizer.find_sequential_partitions
    x86_inductor_quantizer.find_sequential_partitions = sequential_partitions
    try:
        yield
    finally:
        x86_inductor_quantizer.find_sequential_partitions = slow
