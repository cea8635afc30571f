"""Turn a calibrated or fine-tuned graph into a program of quantize, integer and dequantize operators.

Weights and biases that were learned under rounding are handed over so that conversion finds exactly those integers.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import ObserverBase
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

from runner.compression.quantization.graph.editing import copy_graph, put
from runner.compression.quantization.graph.operators import heavy_nodes
from runner.compression.quantization.program.norms import hide_norms, restore_float_norms
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


class SettledObserver(ObserverBase):
    """Observer that has decided.

    convert_pt2e runs weight observers once more, and a moved weight would move the range.
    """

    def __init__(self, decided: Any) -> None:
        super().__init__(dtype=decided.dtype, is_dynamic=False)
        self.scale, self.zero_point = decided.calculate_qparams()
        self.quant_min, self.quant_max = decided.quant_min, decided.quant_max
        self.qscheme, self.ch_axis, self.eps = decided.qscheme, getattr(decided, "ch_axis", None), decided.eps

    def forward(self, weight: Tensor) -> Tensor:
        """Return `weight`, unobserved."""
        return weight

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return scale and zero point as they were decided."""
        return self.scale, self.zero_point


def settle(graph: GraphModule, learned: Mapping[str, Tensor]) -> None:
    """Put `learned` (parameter name -> value) into a copy of the prepared graph that is about to be converted.

    Learned weights lie on the grid of their observer, which is kept as it is: rounding to the nearest point then gives
    the learned integers.
    """
    for node in heavy_nodes(graph):
        for argument in node.args[1:3]:
            if not isinstance(argument, Node):
                continue
            observed = argument.op == "call_module"
            source: Any = argument.args[0] if observed else argument
            if not isinstance(source, Node) or str(source.target) not in learned:
                continue
            put(graph, str(source.target), learned[str(source.target)])
            if observed and not isinstance(graph.get_submodule(str(argument.target)), SettledObserver):
                decided = graph.get_submodule(str(argument.target))
                graph.set_submodule(str(argument.target), SettledObserver(decided))
