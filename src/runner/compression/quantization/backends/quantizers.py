"""From a back end's name to a torchao quantizer that reaches exactly the layers chosen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.fx import GraphModule, Node
from torch.fx.passes.utils.source_matcher_utils import SourcePartition, get_source_partitions
from torchao.quantization.pt2e import graph_utils
from torchao.quantization.pt2e.quantizer import Quantizer, x86_inductor_quantizer

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.part import Part, annotate_weighted
from runner.compression.quantization.backends.selection import recipe_of
from runner.compression.quantization.backends.support import BackEnd, back_end, check
from runner.compression.quantization.graph.operators import ANNOTATION, TARGETS, layer, modules, suits_integers
from runner.errors import RunnerError

DYNAMIC = ("linear",)  # x86 annotates dynamic convolutions too, but lowers them to float ones: slower and less exact


class SelectiveQuantizer(Quantizer):
    """Runs quantizers side by side, each only on the operators whose layer has its recipe.

    Works for any back end: operators out of bounds carry a mark "annotated" while a quantizer runs, which all
    of them respect, and lose it afterwards. Operators within reach that a quantizer overlooked (linear layers
    inside nn.MultiheadAttention, 1-d convolutions: it looks for module types) are annotated here.
    """

    def __init__(self, parts: list[Part], chosen: dict[str, str], reach: tuple[str, ...]) -> None:
        self.parts, self.chosen, self.reach = parts, chosen, reach

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Each quantizer's own preparation of the graph."""
        for part in self.parts:
            model = part.quantizer.transform_for_annotation(model)
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Leave annotations on the operators chosen, and on no others."""
        calls = [node for node in model.graph.nodes if node.op == "call_function"]
        for part in self.parts:
            held = [node for node in calls if ANNOTATION not in node.meta and not self.wants(part, node)]
            marks = {node: part.mark(_annotated=True) for node in held}
            for node, mark in marks.items():
                node.meta[ANNOTATION] = mark
            with quick_search():
                part.quantizer.annotate(model)
            for node, mark in marks.items():
                if node.meta[ANNOTATION] is mark:
                    del node.meta[ANNOTATION]
            for node in calls:
                overlooked = node.target in TARGETS and self.wants(part, node) and not annotated(node)
                if overlooked and part.activation and part.weight:
                    annotate_weighted(node, part.activation, part.weight)
        return model

    def validate(self, model: GraphModule) -> None:
        """Each quantizer's own check."""
        for part in self.parts:
            part.quantizer.validate(model)

    def wants(self, part: Part, node: Node) -> bool:
        """Return whether `part` may annotate `node`."""
        kind = TARGETS.get(node.target)
        path = layer(node) if kind else modules(node)[-1]
        if recipe_of(path, self.chosen) != part.recipe or (kind and not suits_integers(node)):
            return False
        if part.recipe == "dynamic":
            return kind in DYNAMIC and kind in self.reach
        return kind is None or kind in self.reach


def annotated(node: Node) -> bool:
    """Return whether a quantizer asked for any input of `node` to be quantized."""
    note = node.meta.get(ANNOTATION)
    return note is not None and bool(note.input_qspec_map)


def build(name: str | BackEnd, recipe: str, numerics: Numerics, chosen: dict[str, str]) -> SelectiveQuantizer:
    """Return the quantizer of back end `name` for the layers and recipes in `chosen` (from Selection.resolve).

    RunnerError: package missing, recipe or numerics the back end cannot do.
    """
    recipes = sorted({*chosen.values()} - {"float"}) or [recipe]
    for one in recipes:
        check(name, one)
    row = back_end(name)
    for what, value, possible in (
        ("activation scheme", numerics.activation_scheme, row.activation_schemes),
        ("weight granularity", numerics.weight_granularity, row.weight_granularities),
    ):
        if value not in possible:
            raise RunnerError(f"The back end {name} cannot do the {what} {value!r}; it can do: {', '.join(possible)}.")
    own = ("histogram", "minmax")
    if not row.observers and (numerics.activation_observer, numerics.weight_observer) != own:
        raise RunnerError(
            f"The back end {name} brings its own observers, which are {own[0]} for activations and {own[1]} for "
            "weights; leave quantization.numerics.activation_observer and .weight_observer as they are."
        )
    return SelectiveQuantizer([row.part(numerics, one) for one in recipes], chosen, row.operators)


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
