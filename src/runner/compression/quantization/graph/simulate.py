"""Simulation of a calibrated graph with rounding switched layer by layer, without converting or compiling it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantizeBase, ObserverBase

from runner.compression.quantization.graph.editing import copy_graph
from runner.compression.quantization.graph.operators import heavy_nodes, layer, origin
from runner.measure.nested import Nested


class Rounding(nn.Module):
    """Rounding as its observer decided when `active`; otherwise values pass through."""

    def __init__(self, observer: nn.Module) -> None:
        super().__init__()
        self._observer = (observer,)  # in a tuple: not a part of the network
        self.active = True

    def forward(self, value: Tensor) -> Tensor:
        """Return `value` (any shape), rounded or not."""
        return rounded(self._observer[0], value)[0] if self.active else value


class Learned(nn.Module):
    """A parameter as it was learned for rounding when `active`; as it was in float otherwise."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self._value = (value,)
        self.active = True

    def forward(self, value: Tensor) -> Tensor:
        """Return `value`, or what was learned in its place."""
        return self._value[0] if self.active else value


class SimulatedNetwork(nn.Module):
    """The calibrated network `prepared` with rounding at inputs and weights of the layers in `active` only.

    Rounding that belongs to no layer (residual additions, pooling) is left out: it can't be chosen by layer.
    `learned` (parameter name -> value) are weights and biases that the program has in place of the rounded ones.
    """

    def __init__(self, prepared: GraphModule, learned: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        graph = copy_graph(prepared)
        modules = dict(graph.named_modules(remove_duplicate=False))  # observers are shared
        self.layers: dict[str, list[Rounding | Learned]] = {}
        for node in heavy_nodes(graph):
            for position in (0, 1):
                source = node.args[position] if position else origin(node.args[position])
                observer = quantizer_of(source, modules)
                if observer is not None:
                    self._insert(graph, node, position, learned_for(source, learned) or Rounding(observer))
            bias = learned_for(node.args[2], learned) if len(node.args) > 2 else None
            if bias is not None:
                self._insert(graph, node, 2, bias)
        for node in list(graph.graph.nodes):
            if quantizer_of(node, modules) is not None:
                node.replace_all_uses_with(node.args[0])
                graph.graph.erase_node(node)
        graph.recompile()
        self.graph = graph
        self.training = False

    def forward(self, inputs: Nested) -> Any:
        """Return outputs for `inputs` (N, …)."""
        with torch.no_grad():
            return self.graph(inputs)

    def activate(self, layers: set[str]) -> "SimulatedNetwork":
        """Round in `layers` and nowhere else."""
        for name, roundings in self.layers.items():
            for rounding in roundings:
                rounding.active = name in layers
        return self

    def train(self, mode: bool = True) -> "SimulatedNetwork":
        """Stay in inference mode."""
        return self

    def _insert(self, graph: GraphModule, node: Node, position: int, rounding: Rounding | Learned) -> None:
        name = f"rounding_{node.name}_{position}"
        graph.add_submodule(name, rounding)
        with graph.graph.inserting_before(node):
            node.update_arg(position, graph.graph.call_module(name, (node.args[position],)))
        self.layers.setdefault(layer(node), []).append(rounding)


def learned_for(argument: Any, learned: Mapping[str, Tensor] | None) -> Learned | None:
    """Return the value learned for the parameter behind `argument`, observed or not."""
    source = argument.args[0] if isinstance(argument, Node) and argument.op == "call_module" else argument
    value = (learned or {}).get(str(source.target)) if isinstance(source, Node) else None
    return None if value is None else Learned(value)


def quantizer_of(node: Any, modules: dict[str, Any]) -> nn.Module | None:
    """Return the observer or fake quantizer that `node` calls, if it does."""
    if not isinstance(node, Node) or node.op != "call_module":
        return None
    module = modules.get(str(node.target))
    return module if isinstance(module, ObserverBase | FakeQuantizeBase) else None


def rounded(observer: Any, value: Tensor) -> tuple[Tensor, Tensor]:
    """Return `value` quantized and dequantized by `observer`, and a mask of the values that were clipped."""
    low, high = int(observer.quant_min), int(observer.quant_max)
    if getattr(observer, "is_dynamic", False):
        scale = ((value.amax().clamp(min=0) - value.amin().clamp(max=0)) / (high - low)).clamp(min=2**-12)
        zero = (low - (value.amin().clamp(max=0) / scale).round()).clamp(low, high)
    else:
        scale, zero = observer.calculate_qparams()
    if scale.numel() > 1:
        shape = [1] * value.dim()
        shape[getattr(observer, "ch_axis", 0)] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    steps = (value / scale).round() + zero
    return (steps.clamp(low, high) - zero) * scale, (steps < low) | (steps > high)
