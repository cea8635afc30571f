"""Pairs of layers whose channels can trade scale: found by following values through the captured graph."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.weights import (
    CONVOLUTIONS,
    LINEAR,
    bias_of,
    is_weighted,
    readers,
)
from runner.compression.quantization.graph.editing import value_of

_ATEN = torch.ops.aten
_RELU6 = (_ATEN.relu6.default, _ATEN.relu6_.default)
_CAPPED = (*_RELU6, _ATEN.hardtanh.default, _ATEN.hardtanh_.default)
# f(s x) = s f(x) for s > 0, value by value
_HOMOGENEOUS = (
    _ATEN.relu.default,
    _ATEN.relu_.default,
    _ATEN.leaky_relu.default,
    _ATEN.leaky_relu_.default,
    _ATEN.prelu.default,
    _ATEN.dropout.default,
    _ATEN.clone.default,
    _ATEN.contiguous.default,
)
# … and channel by channel, over the places of an image or a sequence
_POOLING = (
    _ATEN.max_pool1d.default,
    _ATEN.max_pool2d.default,
    _ATEN.max_pool3d.default,
    _ATEN.avg_pool1d.default,
    _ATEN.avg_pool2d.default,
    _ATEN.avg_pool3d.default,
    _ATEN.adaptive_avg_pool1d.default,
    _ATEN.adaptive_avg_pool2d.default,
    _ATEN.adaptive_avg_pool3d.default,
)
_RESHAPES = (_ATEN.flatten.using_ints, _ATEN.view.default, _ATEN.reshape.default)


@dataclass(frozen=True)
class LayerPair:
    """Two layers: `producer`'s output channel c, and nothing else, is input c of `consumer`.

    Behind a flattened image these are the inputs c·repeat … of a linear layer. Between the two lies only what commutes
    with positive scaling of channels, but for `caps`: the ReLU6 on the way.
    """

    producer: Node
    consumer: Node
    repeat: int = 1
    caps: tuple[Node, ...] = ()


@dataclass(frozen=True)
class _Place:
    """Position of the producer's channels: on this axis of this node's output, `repeat` values each."""

    node: Node
    axis: int
    repeat: int = 1


def find_pairs(graph: GraphModule) -> list[LayerPair]:
    """Return all pairs of `graph`, a fresh capture in inference mode with batch norms folded, in the order they run.

    Layers that share a weight or a bias with another, and producers whose output goes more than one way (residual
    branches), have none.
    """
    found = []
    for node in graph.graph.nodes:
        if is_weighted(node) and _owns_weights(graph, node) and (pair := _follow(graph, node)) is not None:
            found.append(pair)
    return found


def _follow(graph: GraphModule, producer: Node) -> LayerPair | None:
    dims = producer.meta["val"].dim()
    place, caps = _Place(producer, dims - 1 if producer.target is LINEAR else 1), list[Node]()
    while len(place.node.users) == 1:
        (user,) = place.node.users
        if is_weighted(user) and user.args[0] is place.node and user.args[1] is not place.node:
            pair = LayerPair(producer, user, place.repeat, tuple(caps))
            return pair if _owns_weights(graph, user) and _fits(graph, pair, place) else None
        if user.target in _CAPPED:
            if place.repeat != 1 or cap_of(user) is None:
                return None
            caps.append(user)
        step = _STEPS.get(user.target)
        moved = step(place, user) if step is not None else None
        if moved is None:
            return None
        place = moved
    return None


def _owns_weights(graph: GraphModule, node: Node) -> bool:
    return all(readers(graph, each) == 1 for each in (node.args[1], bias_of(node)) if each is not None)


def _fits(graph: GraphModule, pair: LayerPair, place: _Place) -> bool:
    """Return whether the consumer takes its inputs along the axis where the channels are."""
    channels = value_of(graph, pair.producer.args[1]).shape[0]
    weight, value = value_of(graph, pair.consumer.args[1]), place.node.meta["val"]
    if pair.consumer.target is LINEAR:
        return place.axis == value.dim() - 1 and weight.shape[1] == channels * place.repeat
    return place.axis == 1 and place.repeat == 1 and value.dim() == weight.dim()


def _kept(place: _Place, node: Node) -> _Place | None:
    return _Place(node, place.axis, place.repeat) if node.args[0] is place.node else None


def _pooled(place: _Place, node: Node) -> _Place | None:
    spatial = node.meta["val"].dim() - 2
    return _kept(place, node) if place.axis == 1 and spatial > 0 else None


def _padded(place: _Place, node: Node) -> _Place | None:
    """Return the place behind a padding with zeros; other values would have to be scaled too."""
    pads, rest = node.args[1], node.args[2:]
    mode, value = (rest[0], rest[1:]) if rest and isinstance(rest[0], str) else ("constant", rest)
    touched = len(pads) // 2  # type: ignore[arg-type]
    zero = not value or value[0] in (None, 0)
    inner = place.axis < node.meta["val"].dim() - touched
    return _kept(place, node) if mode == "constant" and zero and inner else None


def _averaged(place: _Place, node: Node) -> _Place | None:
    dims: Any = node.args[1] if len(node.args) > 1 and node.args[1] is not None else ()
    rank = place.node.meta["val"].dim()
    gone = {dim % rank for dim in dims}
    if not gone or place.axis in gone:
        return None
    kept = len(node.args) > 2 and bool(node.args[2])
    return _Place(node, place.axis if kept else place.axis - sum(dim < place.axis for dim in gone), place.repeat)


def _flattened(place: _Place, node: Node) -> _Place | None:
    """Return the place behind an image (N, C, …) that becomes (N, C · …): each channel many features."""
    before, after = place.node.meta["val"].shape, node.meta["val"].shape
    whole = all(isinstance(length, int) for length in [*before[1:], *after[1:]])
    batch = len(after) == 2 and not isinstance(after[0], int) and str(after[0]) == str(before[0])
    if place.axis != 1 or not whole or not batch or after[1] != prod(before[1:]):
        return None
    return _Place(node, 1, place.repeat * prod(before[2:]))


_STEPS: dict[Any, Callable[[_Place, Node], _Place | None]] = {
    **dict.fromkeys((*_HOMOGENEOUS, *_CAPPED), _kept),
    **dict.fromkeys(_POOLING, _pooled),
    **dict.fromkeys(_RESHAPES, _flattened),
    _ATEN.pad.default: _padded,
    _ATEN.constant_pad_nd.default: _padded,
    _ATEN.mean.dim: _averaged,
}


def cap_of(node: Node) -> float | None:
    """Return the c of min(max(x, 0), c), of ReLU6 and hardtanh; None where the lower end isn't zero."""
    if node.target in _RELU6:
        return 6.0
    bounds: Any = node.args[1:3]
    return float(bounds[1]) if len(bounds) == 2 and bounds[0] == 0 else None


def outgoing(graph: GraphModule, pair: LayerPair) -> Tensor:
    """Return the largest magnitude of the producer's weights for each of its channels (channels,)."""
    return value_of(graph, pair.producer.args[1]).flatten(1).abs().amax(1)


def incoming(graph: GraphModule, pair: LayerPair) -> Tensor:
    """Return the largest magnitude of the consumer's weights that each channel meets (channels,)."""
    weight = by_input(pair, value_of(graph, pair.consumer.args[1]))
    return weight.abs().amax((1, 3)).flatten()


def by_input(pair: LayerPair, weight: Tensor) -> Tensor:
    """Return a view of the consumer's weight as (groups, outputs of a group, channels of a group, the rest)."""
    if pair.consumer.target in CONVOLUTIONS:
        groups = int(pair.consumer.args[6]) if len(pair.consumer.args) > 6 else 1  # type: ignore[arg-type]
        return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return weight.reshape(1, weight.shape[0], -1, pair.repeat)
