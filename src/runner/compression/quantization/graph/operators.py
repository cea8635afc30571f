"""The operators of a captured graph that multiply and accumulate: where they stand and what they cost."""

from dataclasses import dataclass
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx import GraphModule, Node

from runner.compression.quantization.graph.counting import macs
from runner.measure.formulas import length

_ATEN = torch.ops.aten
_LABEL = "runner_operator"
# The key of torchao's annotations in a node's meta.
ANNOTATION = "quantization_annotation"
# Those that integer kernels exist for somewhere: argument 0 is the activation, argument 1 the weight.
TARGETS: dict[Any, str] = {
    _ATEN.conv1d.default: "conv1d",
    _ATEN.conv2d.default: "conv2d",
    _ATEN.conv3d.default: "conv3d",
    _ATEN.conv_transpose1d.default: "conv_transpose1d",
    _ATEN.conv_transpose2d.input: "conv_transpose2d",
    _ATEN.conv_transpose3d.input: "conv_transpose3d",
    _ATEN.linear.default: "linear",
    _ATEN.matmul.default: "matmul",
    _ATEN.bmm.default: "matmul",
    _ATEN.scaled_dot_product_attention.default: "attention",
}
# What others are called; the rest have their own name.
_KINDS: dict[Any, str] = {
    _ATEN.gru: "recurrent",
    _ATEN.lstm: "recurrent",
    _ATEN.rnn_tanh: "recurrent",
    _ATEN.rnn_relu: "recurrent",
    _ATEN.gru_cell: "recurrent",
    _ATEN.lstm_cell: "recurrent",
    _ATEN.rnn_tanh_cell: "recurrent",
    _ATEN.rnn_relu_cell: "recurrent",
    _ATEN._native_multi_head_attention: "attention",
    _ATEN._transformer_encoder_layer_fwd: "attention",
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
    """One heavy operator: the module it belongs to, its kind (conv2d, linear, …) and MACs for one sample.

    `macs` is None where nobody can tell: a kernel of the user's own, for instance. `suits_integers`: see there.
    """

    layer: str
    kind: str
    macs: int | None
    node: str
    suits_integers: bool = True


def operators(graph: GraphModule) -> list[Operator]:
    """Return everything in `graph` that multiplies and accumulates, in the order it runs."""
    nodes = (node for node in graph.graph.nodes if node.target in TARGETS or _LABEL in node.meta)
    return [_operator(node) for node in nodes if node.op == "call_function"]


def quantized_operators(converted: GraphModule) -> list[Operator]:
    """Return those operators of a converted program whose input and weight both come out of dequantize nodes.

    Reshapes and the like may stand in between: OpenVINO's quantizer rounds before them.
    """
    return [_operator(node) for node in heavy_nodes(converted) if all(_dequantized(it) for it in node.args[:2])]


def heavy_nodes(graph: GraphModule) -> list[Node]:
    """Return the nodes of `TARGETS`: convolutions, products of two tensors and attention."""
    return [node for node in graph.graph.nodes if node.op == "call_function" and node.target in TARGETS]


def label(graph: GraphModule) -> None:
    """Write layer, kind and MACs on the nodes of a fresh capture: later steps replace weights and forget sizes."""
    batch = _batch(graph)
    for node in graph.graph.nodes:
        count = macs(node) if node.op == "call_function" else 0
        if count != 0 or node.target in TARGETS:
            node.meta[_LABEL] = (layer(node), _kind(node), None if count is None else count // batch)


def suits_integers(node: Node) -> bool:
    """Return whether a convolution or linear layer has the same weight for every input, and differs between inputs.

    Some compute their weight, and integer kernels want theirs beforehand. Others serve a table of positions, say:
    compiling computes them once, in float. Products of two activations have no weight, and answer True.
    """
    if not TARGETS[node.target].startswith(("conv", "linear")):
        return True
    return _reads_inputs(node.args[0]) and not _reads_inputs(node.args[1])


def _reads_inputs(source: object) -> bool:
    """Return whether a value depends on the network's inputs, by more than their sizes."""
    waiting, seen = [source], set[Node]()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Node) or node in seen or node.target is _ATEN.sym_size.int:
            continue
        if node.op == "placeholder":
            return True
        seen.add(node)
        waiting += node.all_input_nodes
    return False


def _operator(node: Node) -> Operator:
    name, kind, count = node.meta.get(_LABEL) or (layer(node), _kind(node), 0)
    return Operator(name, kind, count, node.name, node.target not in TARGETS or suits_integers(node))


def _kind(node: Node) -> str:
    target: Any = node.target
    if target in TARGETS:
        return TARGETS[target]
    if isinstance(target, HigherOrderOperator):
        return str(target)
    if isinstance(target, OpOverload):
        name = target.overloadpacket.__name__
        return _KINDS.get(target.overloadpacket, name if target.namespace == "aten" else f"{target.namespace}.{name}")
    return str(target)


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

    The owner of its weight where that is the innermost module traced or inside it, else that module: tied weights
    have one owner and several users.
    """
    if _LABEL in node.meta:
        return str(node.meta[_LABEL][0])
    inner = modules(node)[-1]
    weight = node.args[1] if node.target in TARGETS and len(node.args) > 1 else None
    if isinstance(weight, Node) and weight.op == "get_attr" and str(weight.target).endswith(("weight", "_proj")):
        owner = str(weight.target).rpartition(".")[0]
        if owner and (not inner or f"{owner}.".startswith(f"{inner}.")):
            return owner
    return inner


def modules(node: Node) -> list[str]:
    """Return the dotted names of the modules around `node`, outermost first; the network itself is ""."""
    paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()] or [""]
    return [path.removeprefix("L['self']").replace("[", ".").replace("]", "").removeprefix(".") for path in paths]


def _batch(graph: GraphModule) -> int:
    inputs = [node.meta["val"] for node in graph.graph.nodes if node.op == "placeholder" and "val" in node.meta]
    return length(inputs[0].shape[0]) if inputs and inputs[0].dim() else 1
