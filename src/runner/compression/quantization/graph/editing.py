"""Copy a prepared graph together with its annotations; read and replace the parameters of a captured one."""

import copy
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec

from runner.compression.quantization.graph.operators import ANNOTATION


def copy_graph(graph: GraphModule) -> GraphModule:
    """Return an independent copy of `graph` whose annotations speak of its own nodes.

    copy.deepcopy leaves them pointing at the nodes of the original: convert_pt2e then fails on dynamic
    recipes ("No chose qparams node found").
    """
    copied = copy.deepcopy(graph)
    nodes = {node.name: node for node in copied.graph.nodes}
    for node in copied.graph.nodes:
        note = node.meta.get(ANNOTATION)
        if note is not None:
            node.meta[ANNOTATION] = _moved(note, nodes)
    return copied


def _moved(note: QuantizationAnnotation, nodes: dict[str, Node]) -> QuantizationAnnotation:
    moved = copy.copy(note)
    moved.input_qspec_map = {
        nodes[source.name]: _moved_spec(spec, nodes)
        for source, spec in note.input_qspec_map.items()
        if source.name in nodes
    }
    moved.output_qspec = _moved_spec(note.output_qspec, nodes)
    return moved


def _moved_spec(spec: Any, nodes: dict[str, Node]) -> Any:
    if not isinstance(spec, SharedQuantizationSpec):
        return spec
    where = spec.edge_or_node
    sources = [where] if isinstance(where, Node) else list(where)
    if any(node.name not in nodes for node in sources):
        return spec  # of a batch norm that was folded: its observer stands already
    there = nodes[where.name] if isinstance(where, Node) else tuple(nodes[node.name] for node in where)
    return replace(spec, edge_or_node=there)


def value_of(graph: GraphModule, node: Any) -> Tensor:
    """Return the tensor that a get_attr node reads, without gradient."""
    found: Any = graph
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found.detach()


def put(graph: GraphModule, name: str, value: Tensor) -> None:
    """Replace the parameter of dotted `name` by a copy of `value`, which takes no gradient."""
    owner, _, attribute = name.rpartition(".")
    setattr(graph.get_submodule(owner), attribute, nn.Parameter(value.detach().clone(), requires_grad=False))
