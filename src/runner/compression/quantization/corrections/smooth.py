"""SmoothQuant: outlying features behind a normalisation move into the weights of the linear layers that read it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.weights import LINEAR, is_weighted, readers, replace
from runner.compression.quantization.graph.editing import value_of
from runner.compression.quantization.graph.interpreter import Reading
from runner.errors import RunnerError
from runner.measure.nested import Nested

_ATEN = torch.ops.aten
_NORMS = (_ATEN.layer_norm.default, _ATEN.rms_norm.default)  # input, shape, gain, and LayerNorm's shift
_LEAST = 1e-5


@dataclass(frozen=True)
class Smoothed:
    """Numbers of normalisations that handed ranges over and of linear layers that took them."""

    norms: int
    linears: int

    def __str__(self) -> str:
        return f"{self.norms} normalisations into {self.linears} linear layers"


def smooth(graph: GraphModule, batches: Sequence[Nested], alpha: float) -> Smoothed:
    """Change `graph`, a fresh capture in inference mode, so that it computes the same from smoother activations.

    Feature j behind a LayerNorm or RMSNorm is divided by s = max|X_j|^alpha / max|W_j|^(1 - alpha) (Xiao et al. 2023,
    equation 4) in the normalisation's gain and shift, and multiplied in the weights of the linear layers that read
    it: all of them together, for one s has to serve them all. max|X_j| is taken over `batches` of inputs (N, …).

    RunnerError: no normalisation with a gain whose output goes to linear layers only.
    """
    found = find_smoothable(graph)
    if not found:
        raise RunnerError(without_norms())
    peaks = _feature_peaks(graph, list(found), batches)
    for norm, linears in found.items():
        _migrate(graph, norm, linears, peaks[norm], alpha)
    graph.recompile()
    return Smoothed(len(found), sum(len(linears) for linears in found.values()))


def without_norms() -> str:
    """Return the message for a network that offers nothing to smooth."""
    return (
        "quantization.corrections.smooth finds no LayerNorm or RMSNorm in this network whose output is read by linear "
        "layers only (networks that normalise behind the addition add it to the next branch, too). Leave it out."
    )


def find_smoothable(graph: GraphModule) -> dict[Node, list[Node]]:
    """Return the linear layers that alone read a normalisation with a gain of its own, by normalisation."""
    found = {}
    for node in graph.graph.nodes:
        linears = _readers_of(graph, node) if _has_gain(graph, node) else None
        if linears:
            found[node] = linears
    return found


def _has_gain(graph: GraphModule, node: Node) -> bool:
    if node.op != "call_function" or node.target not in _NORMS:
        return False
    shape: Any = node.args[1]
    parameters = _parameters(node)
    return len(shape) == 1 and bool(parameters) and all(readers(graph, each) == 1 for each in parameters)


def _parameters(norm: Node) -> list[Node]:
    """Return the nodes that a normalisation reads gain and shift from."""
    return [each for each in norm.args[2:4] if isinstance(each, Node)]


def _readers_of(graph: GraphModule, node: Node) -> list[Node] | None:
    """Return the linear layers that read `node`, directly or rearranged; None where anything else does."""
    found: list[Node] = []
    for user in node.users:
        if is_weighted(user) and user.target is LINEAR and user.args[0] is node:
            if readers(graph, user.args[1]) != 1:
                return None
            found.append(user)
        elif user.args[:1] == (node,) and (keeps := _REARRANGING.get(user.target)) and keeps(node, user):
            behind = _readers_of(graph, user)
            if behind is None:
                return None
            found += behind
        else:
            return None
    return found


@torch.no_grad()
def _feature_peaks(graph: GraphModule, norms: list[Node], batches: Sequence[Nested]) -> dict[Node, Tensor]:
    """Return max|X_j| (features,) behind each normalisation."""
    peaks: dict[Node, Tensor] = {}
    reading = Reading(graph)
    for batch in batches:
        for node, value in reading.visit(norms, batch):
            peak = value.abs().flatten(0, -2).amax(0)
            peaks[node] = torch.maximum(peaks[node], peak) if node in peaks else peak
    return peaks


def _migrate(graph: GraphModule, norm: Node, linears: list[Node], peak: Tensor, alpha: float) -> None:
    weights = {node: value_of(graph, node.args[1]) for node in linears}
    strongest = torch.stack([weight.abs().amax(0) for weight in weights.values()]).amax(0)
    scale = peak.clamp(min=_LEAST) ** alpha / strongest.clamp(min=_LEAST) ** (1 - alpha)
    scale = torch.where((peak > 0) & (strongest > 0), scale.clamp(min=_LEAST), torch.ones_like(scale))
    for each in _parameters(norm):
        replace(graph, each, value_of(graph, each) / scale)
    for node, weight in weights.items():
        replace(graph, node.args[1], weight * scale)


def _rank(node: Node) -> int:
    return int(node.meta["val"].dim())


def _always(source: Node, node: Node) -> bool:
    return True


def _other_axes(source: Node, node: Node) -> bool:
    """Return whether a transpose, select, slice … leaves the last axis alone."""
    axes = [axis for axis in node.args[1:3] if isinstance(axis, int)]
    axes = axes if node.target is _ATEN.transpose.int else axes[:1]
    return all(axis % _rank(source) != _rank(source) - 1 for axis in axes)


def _permuted(source: Node, node: Node) -> bool:
    order: Any = node.args[1]
    return bool(order[-1] % len(order) == len(order) - 1)


def _same_last(source: Node, node: Node) -> bool:
    """Return whether a reshape leaves the last axis whole."""
    before, after = source.meta["val"].shape[-1], node.meta["val"].shape[-1]
    return isinstance(before, int) and isinstance(after, int) and before == after


def _rolled(source: Node, node: Node) -> bool:
    axes: Any = node.args[2] if len(node.args) > 2 else [-1]
    return all(axis % _rank(source) != _rank(source) - 1 for axis in axes)


def _padded(source: Node, node: Node) -> bool:
    """Return whether a padding is of zeros, and not along the features."""
    pads: Any = node.args[1]
    zero = all(each in ("constant", None, 0) for each in node.args[2:])
    return zero and not any(pads[:2])


# What stands between a normalisation and its linear layers and leaves every feature in its column.
_REARRANGING: dict[Any, Callable[[Node, Node], bool]] = {
    **dict.fromkeys((_ATEN.dropout.default, _ATEN.clone.default, _ATEN.contiguous.default), _always),
    **dict.fromkeys((_ATEN.transpose.int, _ATEN.select.int, _ATEN.slice.Tensor), _other_axes),
    **dict.fromkeys((_ATEN.view.default, _ATEN.reshape.default, _ATEN.flatten.using_ints), _same_last),
    _ATEN.permute.default: _permuted,
    _ATEN.roll.default: _rolled,
    **dict.fromkeys((_ATEN.pad.default, _ATEN.constant_pad_nd.default), _padded),
}
