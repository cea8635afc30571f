"""Turn a calibrated or fine-tuned graph into a program of quantize, integer and dequantize operators."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.fx import GraphModule
from torchao.quantization.pt2e import ObserverBase
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

from runner.compression.quantization.graph.copies import copy_graph
from runner.compression.quantization.program.float_norm import hide_norms, restore_float_norms
from runner.compression.quantization.program.learned_weights import settle
from runner.errors import RunnerError
from runner.measure.nested import Nested


def convert(prepared: GraphModule, example: Nested, learned: Mapping[str, Tensor] | None = None) -> GraphModule:
    """Return the int8 program of `prepared`, which stays as it is.

    `learned` (parameter name -> value) are weights and biases that corrections moved under rounding.
    One forward pass of `example` (N, …) comes first: without it the weights of a dynamic recipe have no
    ranges, and convert_pt2e says nothing (ao#4292: 0.5 dB instead of 39).
    RunnerError when observers have seen no data.
    """
    graph = copy_graph(prepared)
    if unseen(graph, static=True):
        raise RunnerError("The network was not calibrated: run at least one batch through it before converting.")
    if unseen(graph):
        with torch.no_grad():
            graph(example)
    settle(graph, learned or {})
    hide_norms(graph)
    converted = convert_pt2e(graph)
    restore_float_norms(converted)
    prune(converted)
    for parameter in converted.parameters():
        parameter.requires_grad_(False)
    return converted


def prune(graph: GraphModule) -> None:
    """Delete the nodes that `graph` no longer reads.

    convert_pt2e leaves the float weights beside the int8 ones; the program's file would be as large as the
    float one.
    """
    read = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    for name in [*dict(graph.named_parameters()), *dict(graph.named_buffers())]:
        if name not in read:
            owner, _, attribute = name.rpartition(".")
            delattr(graph.get_submodule(owner), attribute)
    graph.delete_all_unused_submodules()


def unseen(graph: GraphModule, static: bool = False) -> list[str]:
    """Return the names of observers without a range; with `static`, none where only weights are observed."""
    observers = {name: module for name, module in graph.named_modules() if isinstance(module, ObserverBase)}
    empty = [name for name, module in observers.items() if _empty(module)]
    dynamic = any(getattr(module, "is_dynamic", False) for module in observers.values())
    return [] if static and dynamic else empty


def _empty(observer: ObserverBase) -> bool:
    low = getattr(observer, "min_val", None)
    return isinstance(low, Tensor) and (low.numel() == 0 or bool(torch.isinf(low).any()))
