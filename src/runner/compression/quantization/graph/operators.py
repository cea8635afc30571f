"""The operators of a captured graph that integer kernels exist for: where they stand and what they cost."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.fx import GraphModule, Node

_ATEN = torch.ops.aten
_LABEL = "runner_operator"
# The key of torchao's annotations in a node's meta.
ANNOTATION = "quantization_annotation"
TARGETS: dict[Any, str] = {
    _ATEN.conv1d.default: "conv1d",
    _ATEN.conv2d.default: "conv2d",
    _ATEN.conv3d.default: "conv3d",
    _ATEN.conv_transpose1d.default: "conv_transpose1d",
    _ATEN.conv_transpose2d.input: "conv_transpose2d",
    _ATEN.linear.default: "linear",
    _ATEN.matmul.default: "matmul",
    _ATEN.bmm.default: "matmul",
    _ATEN.scaled_dot_product_attention.default: "attention",
    _ATEN.gru.input: "recurrent",
    _ATEN.lstm.input: "recurrent",
    _ATEN.rnn_tanh.input: "recurrent",
}
# These pass values on as they are: what was rounded before them is rounded behind them.
_PASSING = (
    _ATEN.flatten.using_ints,
    _ATEN.view.default,
    _ATEN.reshape.default,
    _ATEN.permute.default,
    _ATEN.transpose.int,
    _ATEN.squeeze.dim,
    _ATEN.squeeze.dims,
    _ATEN.unsqueeze.default,
    _ATEN.contiguous.default,
    _ATEN.dropout.default,
    _ATEN.select.int,
    _ATEN.slice.Tensor,
    _ATEN.max_pool2d.default,
    _ATEN.pad.default,  # with zeros, which int8 has exactly
    _ATEN.constant_pad_nd.default,
)


@dataclass(frozen=True)
class Operator:
    """One heavy operator: the module it belongs to, its kind (conv2d, linear, …) and MACs for one sample."""

    layer: str
    kind: str
    macs: int
    node: str


def operators(graph: GraphModule) -> list[Operator]:
    """Return the convolutions and matrix products of `graph` in the order they run."""
    return [_operator(node) for node in heavy_nodes(graph)]


def quantized_operators(converted: GraphModule) -> list[Operator]:
    """Return those operators of a converted program whose input and weight both come out of dequantize nodes.

    Reshapes and the like may stand in between: OpenVINO's quantizer rounds before them.
    """
    return [_operator(node) for node in heavy_nodes(converted) if all(_dequantized(it) for it in node.args[:2])]


def heavy_nodes(graph: GraphModule) -> list[Node]:
    """Return the nodes behind `operators`."""
    return [node for node in graph.graph.nodes if node.op == "call_function" and node.target in TARGETS]


def label(graph: GraphModule) -> None:
    """Write layer and MACs on the nodes of a fresh capture: later steps replace weights and forget sizes."""
    batch = _batch(graph)
    for node in heavy_nodes(graph):
        node.meta[_LABEL] = (layer(node), _macs(node) // batch)


def _operator(node: Node) -> Operator:
    name, macs = node.meta.get(_LABEL) or (layer(node), 0)
    return Operator(name, TARGETS[node.target], macs, node.name)


def _dequantized(source: object) -> bool:
    source = origin(source)
    if isinstance(source, Node) and source.target is _ATEN.cat.default:
        return all(_dequantized(part) for part in source.args[0])  # type: ignore[union-attr]
    return isinstance(source, Node) and "dequantize" in str(source.target)


def origin(source: Any) -> Any:
    """Return the node that `source`, an argument of a node, is before it is reshaped and passed on."""
    while isinstance(source, Node) and source.target in _PASSING:
        source = source.args[0]
    return source


def layer(node: Node) -> str:
    """Return the dotted name of the module `node` came from.

    The owner of its weight, else the innermost module traced.
    """
    if _LABEL in node.meta:
        return str(node.meta[_LABEL][0])
    weight = node.args[1] if node.target in TARGETS and len(node.args) > 1 else None
    if isinstance(weight, Node) and weight.op == "get_attr" and str(weight.target).endswith(("weight", "_proj")):
        name = str(weight.target).rpartition(".")[0]
        if name:
            return name
    return modules(node)[-1]


def modules(node: Node) -> list[str]:
    """Return the dotted names of the modules around `node`, outermost first; the network itself is ""."""
    paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()] or [""]
    return [path.removeprefix("L['self']").replace("[", ".").replace("]", "").removeprefix(".") for path in paths]


def size(value: object) -> int:
    """Return the number of elements of a fake tensor, symbolic sizes at their example value."""
    lengths: list[int] = [_hint(length) for length in value.shape]  # type: ignore[attr-defined]
    return prod(lengths)


def _hint(length: Any) -> int:
    return length if isinstance(length, int) else int(length.node.hint)


def _batch(graph: GraphModule) -> int:
    inputs = [node.meta["val"] for node in graph.graph.nodes if node.op == "placeholder" and "val" in node.meta]
    return _hint(inputs[0].shape[0]) if inputs and inputs[0].dim() else 1


def _macs(node: Node) -> int:
    """Return the multiply-accumulates of the whole example batch."""
    value, kind = node.meta.get("val"), TARGETS[node.target]
    operands: list[Any] = [argument.meta.get("val") for argument in node.args[:2] if isinstance(argument, Node)]
    if not isinstance(value, torch.Tensor) or len(operands) < 2 or any(it is None for it in operands):
        return 0  # recurrent operators carry their weights in lists; they have no integer kernels here
    if kind.startswith("conv_transpose"):
        return size(operands[0]) * size(operands[1]) // operands[1].shape[0]
    if kind.startswith("conv"):
        return size(value) * size(operands[1]) // operands[1].shape[0]
    if kind == "attention":
        return 2 * size(operands[0]) * _hint(operands[1].shape[-2])
    return size(value) * _hint(operands[0].shape[-1])
