"""Training and inference mode of a captured graph, switched so that every literal keeps its value."""

import copy
from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from runner.compression.quantization.graph.editing import value_of
from runner.errors import RunnerError

_ATEN = torch.ops.aten
_BATCH_NORM = _ATEN.batch_norm.default
_LEAST_GAIN = 1e-6
_SWITCHES = {  # operator -> position of its `training` argument
    _ATEN.dropout.default: 2,
    _ATEN.dropout_.default: 2,
    _ATEN.feature_dropout.default: 2,
    _ATEN.feature_dropout_.default: 2,
    _ATEN.alpha_dropout.default: 2,
    _ATEN.alpha_dropout_.default: 2,
    _ATEN.feature_alpha_dropout.default: 2,
    _BATCH_NORM: 5,
}


@dataclass(frozen=True)
class BatchNormConstants:
    """The momentum and the epsilon one batch norm was built with."""

    momentum: float
    eps: float


def set_training(graph: GraphModule, training: bool, batch_norm: bool = True) -> None:
    """Put `graph` into training (dropout acts; batch norm updates batch statistics) or inference mode.

    `batch_norm=False` leaves batch norm on its running statistics even in training. Upstream's own switch
    resets epsilon, momentum and the dropout rate to PyTorch's defaults (ao#2980), and its BatchNorm freezing
    looks for operators this graph does not hold; here one argument changes and nothing else.
    """
    changed = False
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target not in _SWITCHES:
            continue
        value = training and (batch_norm or node.target is not _BATCH_NORM)
        if node.target is _BATCH_NORM and running_variance(node) is None:
            continue  # keeps no statistics: uses those of the batch in both modes
        position = _SWITCHES[node.target]
        if node.args[position] != value:
            _put(node, position, value)
            changed = True
    if changed:
        graph.recompile()


def batch_norm_constants(graph: GraphModule) -> dict[str, BatchNormConstants]:
    """Return the constants of each batch norm that keeps statistics, by the name of its running variance."""
    norms = ((running_variance(node), node) for node in graph.graph.nodes if node.target is _BATCH_NORM)
    return {name: BatchNormConstants(float(node.args[6]), float(node.args[7])) for name, node in norms if name}


def restore_batch_norm(graph: GraphModule, constants: dict[str, BatchNormConstants]) -> None:
    """Write `constants` back over the 1e-5 and 0.1 that prepare_qat_pt2e puts in (ao#2980; open: ao#4758, ao#4790)."""
    for node in graph.graph.nodes:
        name = running_variance(node) if node.target is _BATCH_NORM else None
        if name is None:
            continue
        if name not in constants:
            raise RunnerError(f"Batch norm with {name} appeared after capture; its epsilon is unknown.")
        _put(node, 6, constants[name].momentum)
        _put(node, 7, constants[name].eps)
    for name, node in fused_sums(graph).items():
        if name in constants:
            node.args = (node.args[0], constants[name].eps)
    graph.recompile()


def awakened(graph: GraphModule) -> GraphModule:
    """Return a copy of `graph` in which no batch norm multiplies by zero, as many begin in residual branches.

    Fine-tuning divides by what a batch norm multiplies by: an untrained network would seem unfit.
    """
    graph = copy.deepcopy(graph)
    for node in graph.graph.nodes:
        gain = node.args[1] if node.target is _BATCH_NORM else None
        if isinstance(gain, Node) and gain.op == "get_attr":
            value = value_of(graph, gain)
            value.copy_(torch.where(value.abs() < _LEAST_GAIN, torch.ones_like(value), value))
    return graph


def fused_sums(graph: GraphModule) -> dict[str, Node]:
    """Return the node `running_var + eps` of each batch norm fused with a convolution, by its running variance."""
    sums = (node for node in graph.graph.nodes if node.target == _ATEN.add.Tensor)
    found = {}
    for node in sums:
        source, literal = node.args[:2]
        if isinstance(source, Node) and source.op == "get_attr" and isinstance(literal, float):
            found[str(source.target)] = node
    return found


def running_variance(node: Node) -> str | None:
    """Return the name of the running variance of a batch norm node, None when it keeps no statistics."""
    source = node.args[4]
    return str(source.target) if isinstance(source, Node) and source.op == "get_attr" else None


def _put(node: Node, position: int, value: object) -> None:
    arguments = list(node.args)
    arguments[position] = value  # type: ignore[call-overload]
    node.args = tuple(arguments)
