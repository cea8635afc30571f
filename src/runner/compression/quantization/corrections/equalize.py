"""Cross-layer equalization: neighbouring layers trade scale until their weights' ranges agree."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.fold import fold_norms
from runner.compression.quantization.corrections.pairs import (
    LayerPair,
    by_input,
    cap_of,
    find_pairs,
    incoming,
    outgoing,
)
from runner.compression.quantization.corrections.weights import bias_of, replace
from runner.compression.quantization.graph.editing import value_of
from runner.errors import RunnerError

_ATEN = torch.ops.aten
_SWEEPS, _SETTLED = 100, 1e-3  # layers in the middle belong to two pairs: sweeps until no scale moves by more
_MOST = 1e4  # a channel that is almost silent is not blown up further


@dataclass(frozen=True)
class Equalized:
    """Numbers of layer pairs that traded scale and of ReLU6 between them that now cap each channel on its own."""

    pairs: int
    caps: int

    def __str__(self) -> str:
        caps = f", {self.caps} ReLU6 with a cap for each channel" if self.caps else ""
        return f"{self.pairs} pairs of layers{caps}"


def equalize(graph: GraphModule) -> Equalized:
    """Change `graph`, a fresh capture in inference mode, so that it computes the same with balanced ranges.

    Batch norms are folded first. For each pair (Nagel et al. 2019, "Data-free quantization through weight equalization
    and bias correction", equation 11) channel i is divided by s = sqrt(r1 / r2) in the first layer and multiplied in
    the second, r being the largest magnitude of its weights there: both become sqrt(r1 r2). A ReLU6 on the way doesn't
    commute with s: it turns into min(relu(x), 6 / s), which keeps the function exact and costs a float operation
    that no kernel fuses.

    RunnerError: the network has no such pair.
    """
    fold_norms(graph)
    pairs = find_pairs(graph)
    if not pairs:
        raise RunnerError(without_pairs())
    moved = [torch.ones_like(outgoing(graph, pair)) for pair in pairs]
    for _ in range(_SWEEPS):
        scales = [_balance(graph, pair) for pair in pairs]
        moved = [before * scale for before, scale in zip(moved, scales, strict=True)]
        if max(float(scale.log().abs().max()) for scale in scales) < _SETTLED:
            break
    caps = 0
    for pair, scale in zip(pairs, moved, strict=True):
        for cap in pair.caps:
            _cap_channels(graph, cap, scale, 1 if pair.producer.target is not _ATEN.linear.default else -1)
            caps += 1
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return Equalized(len(pairs), caps)


def without_pairs() -> str:
    """Return the message for a network that offers nothing to equalize."""
    return (
        "quantization.corrections.equalize finds no pair of layers in this network: a convolution or linear layer "
        "whose output goes through nothing but ReLU, ReLU6, pooling or flattening into one other such layer. (Residual "
        "branches, LayerNorm, GELU, SiLU and hard-swish stand in the way of positive scaling.) Leave it out."
    )


def _balance(graph: GraphModule, pair: LayerPair) -> Tensor:
    """Trade once; return the scales s (channels,) that the producer was divided by."""
    first, second = outgoing(graph, pair), incoming(graph, pair)
    scale = (first / second).sqrt().clamp(1 / _MOST, _MOST)
    scale = torch.where((first > 0) & (second > 0), scale, torch.ones_like(scale))
    for node in (pair.producer.args[1], bias_of(pair.producer)):
        if node is not None:
            value = value_of(graph, node)
            replace(graph, node, value / scale.reshape(-1, *[1] * (value.dim() - 1)))
    weight = value_of(graph, pair.consumer.args[1])
    grouped = by_input(pair, weight)
    scaled = grouped * scale.reshape(grouped.shape[0], 1, -1, 1)
    replace(graph, pair.consumer.args[1], scaled.reshape(weight.shape))
    return scale


def _cap_channels(graph: GraphModule, node: Node, scale: Tensor, axis: int) -> None:
    """Put min(max(x, 0), c / s) in place of hardtanh(x, 0, c)."""
    shape = [1] * node.meta["val"].dim()
    shape[axis] = -1
    name = f"{node.name}_caps"
    cap = cap_of(node)
    assert cap is not None
    graph.register_buffer(name, (cap / scale).reshape(shape))
    with graph.graph.inserting_before(node):
        relu = graph.graph.call_function(_ATEN.relu.default, (node.args[0],))
        caps = graph.graph.get_attr(name)
        capped = graph.graph.call_function(_ATEN.minimum.default, (relu, caps))
    for fresh, function in ((relu, torch.nn.functional.relu), (capped, torch.minimum)):
        meta: dict[str, Any] = dict(node.meta)
        meta["source_fn_stack"] = [(fresh.name, function)]  # back ends look here for what belongs together
        fresh.meta = meta
    node.replace_all_uses_with(capped)
    graph.graph.erase_node(node)
