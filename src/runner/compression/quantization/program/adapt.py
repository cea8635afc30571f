"""Write an int8 program so that Inductor's integer patterns fit: weights of their own, values in order.

For compiling only. What is saved has each weight once, and its convolutions as they were.
"""

import copy
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node

from runner.compression.quantization.graph.editing import value_of

_ATEN = torch.ops.aten
_QUANTIZED = torch.ops.quantized_decomposed
_CONV1D, _LINEAR = _ATEN.conv1d.default, _ATEN.linear.default
_RESHAPES = (_ATEN.flatten.using_ints, _ATEN.view.default, _ATEN.reshape.default)


def adapted(program: GraphModule) -> GraphModule:
    """Return a program that computes the same and shares all values with `program` but those it has to have twice."""
    graph = GraphModule(program, copy.deepcopy(program.graph))
    graph.meta.update(program.meta)
    for node in list(graph.graph.nodes):
        if node.target is _CONV1D and all(_is_dequantized(each) for each in node.args[:2]):
            _widen(graph, node)
        elif node.target is _LINEAR and _is_dequantized(node.args[0]):
            _align(graph, node)
    _separate_weights(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _separate_weights(graph: GraphModule) -> None:
    """Give each call of a shared layer integers of its own.

    Integer kernels pack their weights for one call, and the pattern wants a weight that nobody else reads.
    """
    taken: set[Any] = set()
    for node in list(graph.graph.nodes):
        if not _is_dequantized(node) or not _is_constant(node.args[0]):
            continue
        for user in list(node.users):
            if node.args[0].target not in taken:
                taken.add(node.args[0].target)
                continue
            with graph.graph.inserting_before(user):
                integers = _constant(graph, value_of(graph, node.args[0]).clone(), user)
                own = _again(graph, node, integers)
            user.replace_input_with(node, own)


def _widen(graph: GraphModule, node: Node) -> None:
    """Run a convolution of sequences (N, C, L) as one of images (N, C, 1, L).

    Inductor (torch 2.14) takes the wrong dimension of the packed weight of a 1-d convolution for its length: the sizes
    that follow were wrong, and compiling failed or read past the end.
    """
    arguments: Any = node.args
    source, weight = arguments[:2]
    strides, paddings, dilations = (_pair(node, index, rest) for index, rest in ((3, 1), (4, 0), (5, 1)))
    groups = arguments[6] if len(arguments) > 6 else 1
    with graph.graph.inserting_before(node):
        integers = graph.graph.call_function(_ATEN.unsqueeze.default, (source.args[0], 2))
        activation = _again(graph, source, integers)
        packed = _constant(graph, value_of(graph, weight.args[0]).unsqueeze(2).contiguous(), node)
        kernel = _again(graph, weight, packed)
        bias = arguments[2] if len(arguments) > 2 else None
        widened = (activation, kernel, bias, strides, paddings, dilations, groups)
        wide = graph.graph.call_function(_ATEN.conv2d.default, widened)
        narrow = graph.graph.call_function(_ATEN.squeeze.dim, (wide, 2))
    wide.meta = {key: value for key, value in node.meta.items() if key not in ("val", "tensor_meta")}
    node.replace_all_uses_with(narrow)
    graph.graph.erase_node(node)


def _align(graph: GraphModule, node: Node) -> None:
    """Give a linear layer integers that lie in the order of its axes.

    Of a permuted image, Inductor (torch 2.14) makes a product of matrices for each sample, which no integer pattern
    fits. Where they lie so already, nothing is left of this.
    """
    source: Any = node.args[0]
    if any(user.target in _RESHAPES for user in node.users) and "val" in node.meta and node.meta["val"].dim() > 2:
        _flatten(graph, node)
        return
    with graph.graph.inserting_before(node):
        integers = graph.graph.call_function(_ATEN.contiguous.default, (source.args[0],))
        node.replace_input_with(source, _again(graph, source, integers))


def _flatten(graph: GraphModule, node: Node) -> None:
    """Run a linear layer whose outputs are reshaped as one of rows (N, C).

    Inductor takes it for one of rows and its own reshaping for a part of the pattern, which is gone where the two
    reshape back and forth: behind it a batch norm over all places, for instance.
    """
    source, *rest = node.args
    axes = range(node.meta["val"].dim() - 1)
    with graph.graph.inserting_before(node):
        integers: Any = source.args[0]  # type: ignore[union-attr]
        sizes = [graph.graph.call_function(_ATEN.sym_size.int, (integers, axis)) for axis in axes]
        rows = graph.graph.call_function(_ATEN.flatten.using_ints, (integers, 0, len(axes) - 1))
        flat = graph.graph.call_function(_LINEAR, (_again(graph, source, rows), *rest))  # type: ignore[arg-type]
        whole = graph.graph.call_function(_ATEN.unflatten.int, (flat, 0, sizes))
    flat.meta = {key: value for key, value in node.meta.items() if key not in ("val", "tensor_meta")}
    node.replace_all_uses_with(whole)
    graph.graph.erase_node(node)


def _again(graph: GraphModule, dequantize: Node, integers: Node) -> Node:
    return graph.graph.call_function(dequantize.target, (integers, *dequantize.args[1:]), dequantize.kwargs)  # type: ignore[arg-type]


def _pair(node: Node, index: int, rest: int) -> list[int]:
    given: Any = node.args[index] if len(node.args) > index else rest
    return [rest, given if isinstance(given, int) else given[0]]


def _constant(graph: GraphModule, value: torch.Tensor, user: Node) -> Node:
    name = f"{user.name}_own_weight"
    if value.is_floating_point():
        graph.register_parameter(name, nn.Parameter(value, requires_grad=False))
    else:
        graph.register_buffer(name, value)
    return graph.graph.get_attr(name)


def _is_dequantized(node: object) -> bool:
    return isinstance(node, Node) and "dequantize" in str(node.target)


def _is_constant(node: object) -> bool:
    return isinstance(node, Node) and node.op == "get_attr"
