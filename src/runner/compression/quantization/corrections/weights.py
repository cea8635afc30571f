"""The weights and biases that the operators of a captured graph read."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from runner.compression.quantization.graph.editing import put, value_of

_ATEN = torch.ops.aten
LINEAR = _ATEN.linear.default
CONVOLUTIONS = (_ATEN.conv1d.default, _ATEN.conv2d.default, _ATEN.conv3d.default)


def is_layer(node: Node) -> bool:
    """Return whether `node` is a convolution or a linear layer (input, weight, bias, …)."""
    return node.op == "call_function" and (node.target is LINEAR or node.target in CONVOLUTIONS)


def is_weighted(node: Node) -> bool:
    """Return whether `node` is a convolution or a linear layer that reads a parameter as its weight."""
    weight = node.args[1] if is_layer(node) else None
    return isinstance(weight, Node) and weight.op == "get_attr"


def bias_of(node: Node) -> Node | None:
    """Return the node a convolution or linear layer reads its bias from."""
    return node.args[2] if len(node.args) > 2 and isinstance(node.args[2], Node) else None


def replace(graph: GraphModule, node: Any, value: Tensor) -> None:
    """Set the parameter that a get_attr node reads to `value`."""
    put(graph, str(node.target), value)


def give_bias(graph: GraphModule, node: Node, value: Tensor) -> None:
    """Give `node`, which has none, the bias `value` (out,), beside its weight."""
    weight: Any = node.args[1]
    name = f"{weight.target}_bias"
    owner, _, attribute = name.rpartition(".")
    graph.get_submodule(owner).register_parameter(attribute, nn.Parameter(value, requires_grad=False))
    with graph.graph.inserting_before(node):
        bias = graph.graph.get_attr(name)
    bias.meta = dict(weight.meta)
    bias.meta.pop("val", None)
    node.args = (node.args[0], node.args[1], bias, *node.args[3:])


def give_biases(graph: GraphModule) -> None:
    """Add zeros where a layer has no bias: the same function, and somewhere to put a correction.

    Convolutions before a batch norm get theirs when it is folded.
    """
    for node in list(graph.graph.nodes):
        if is_weighted(node) and bias_of(node) is None and not _before_norm(node):
            give_bias(graph, node, torch.zeros(value_of(graph, node.args[1]).shape[0]))
    graph.recompile()


def _before_norm(node: Node) -> bool:
    users = list(node.users)
    return node.target is not LINEAR and len(users) == 1 and users[0].target is _ATEN.batch_norm.default


def readers(graph: GraphModule, node: Any) -> int:
    """Return how many operators read the tensor behind a get_attr node, by whatever name."""
    own = value_of(graph, node).data_ptr()
    sources = [other for other in graph.graph.nodes if other.op == "get_attr" and other.users]
    return sum(len(other.users) for other in sources if _address(graph, other) == own)


def _address(graph: GraphModule, node: Node) -> int | None:
    try:
        return value_of(graph, node).data_ptr()
    except AttributeError:  # not a tensor
        return None
