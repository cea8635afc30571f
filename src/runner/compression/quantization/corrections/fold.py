"""Fold batch norms into the layer before them, so that the weights seen are the weights that act."""

from typing import Any

import torch
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.weights import (
    LINEAR,
    bias_of,
    give_bias,
    is_weighted,
    readers,
    replace,
)
from runner.compression.quantization.graph.editing import value_of

_BATCH_NORM = torch.ops.aten.batch_norm.default


def fold_norms(graph: GraphModule) -> int:
    """Fold every batch norm behind a convolution or linear layer of its own; return how many.

    `graph`: a fresh capture in inference mode. weight * g and (bias - mean) * g + offset for
    g = gain / sqrt(variance + eps) (Jacob et al. 2018, equation 14), worked out in float64.
    """
    folded = [node for node in list(graph.graph.nodes) if _can_fold(graph, node)]
    for norm in folded:
        _fold(graph, norm)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return len(folded)


def _can_fold(graph: GraphModule, norm: Node) -> bool:
    if norm.op != "call_function" or norm.target is not _BATCH_NORM or norm.args[5]:
        return False
    source, statistics = norm.args[0], norm.args[3:5]
    if not isinstance(source, Node) or not is_weighted(source) or len(source.users) != 1:
        return False
    if not all(isinstance(each, Node) for each in statistics):
        return False  # keeps no statistics: uses those of the batch
    if source.target is LINEAR and source.meta["val"].dim() != 2:
        return False  # its channels are not the features of the linear layer
    parameters = [each for each in (source.args[1], bias_of(source)) if each is not None]
    return all(readers(graph, each) == 1 for each in parameters)


def _fold(graph: GraphModule, norm: Any) -> None:
    layer = norm.args[0]
    mean, variance = (value_of(graph, each).double() for each in norm.args[3:5])
    gain, offset = (None if each is None else value_of(graph, each).double() for each in norm.args[1:3])
    scale = torch.rsqrt(variance + norm.args[7]) * (1 if gain is None else gain)
    weight, bias = value_of(graph, layer.args[1]), bias_of(layer)
    shift = -mean if bias is None else value_of(graph, bias).double() - mean
    shift = shift * scale + (0 if offset is None else offset)
    folded = weight.double() * scale.reshape(-1, *[1] * (weight.dim() - 1))
    replace(graph, layer.args[1], folded.to(weight.dtype))
    if bias is None:
        give_bias(graph, layer, shift.to(weight.dtype))
    else:
        replace(graph, bias, shift.to(weight.dtype))
    norm.replace_all_uses_with(layer)
    graph.graph.erase_node(norm)
