"""The layers of a calibrated graph whose weights are rounded: where they read and write, and how to run one alone."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.weights import LINEAR, bias_of, is_layer, readers
from runner.compression.quantization.graph.editing import value_of
from runner.compression.quantization.graph.interpreter import RoundingGrid
from runner.compression.quantization.graph.simulate import quantizer_of

_ATEN = torch.ops.aten
# Activations that directly follow a layer, applied value by value; those that work in place by their other name.
_ACTIVATIONS: dict[Any, Any] = {
    _ATEN.relu.default: _ATEN.relu.default,
    _ATEN.relu_.default: _ATEN.relu.default,
    _ATEN.relu6.default: _ATEN.relu6.default,
    _ATEN.relu6_.default: _ATEN.relu6.default,
    _ATEN.hardtanh.default: _ATEN.hardtanh.default,
    _ATEN.hardtanh_.default: _ATEN.hardtanh.default,
    _ATEN.leaky_relu.default: _ATEN.leaky_relu.default,
    _ATEN.leaky_relu_.default: _ATEN.leaky_relu.default,
    _ATEN.gelu.default: _ATEN.gelu.default,
    _ATEN.silu.default: _ATEN.silu.default,
    _ATEN.silu_.default: _ATEN.silu.default,
    _ATEN.hardswish.default: _ATEN.hardswish.default,
    _ATEN.hardswish_.default: _ATEN.hardswish.default,
}


@dataclass(frozen=True)
class RoundedLayer:
    """One convolution or linear layer: its node, the names of its parameters, and the grid its weight lies on."""

    node: Node
    weight: str
    bias: str | None
    grid: RoundingGrid

    @property
    def channel_axis(self) -> int:
        """The axis of its output that the bias is added along."""
        return -1 if self.node.target is LINEAR else 1

    def __call__(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the layer's output for `inputs` with another weight and bias."""
        target: Any = self.node.target
        return target(inputs, weight, bias, *self.node.args[3:])

    def activation(self, value: Tensor) -> Tensor:
        """Return the output behind the activation that alone reads it; without one, the output itself."""
        users = list(self.node.users)
        function = _ACTIVATIONS.get(users[0].target) if len(users) == 1 else None
        return value if function is None else function(value, *users[0].args[1:], **users[0].kwargs)


def rounded_layers(prepared: GraphModule) -> list[RoundedLayer]:
    """Return the layers of a calibrated graph in the order they run, without those that share their weight."""
    modules, found = dict(prepared.named_modules(remove_duplicate=False)), []
    for node in prepared.graph.nodes:
        observed = node.args[1] if node.op == "call_function" and len(node.args) > 1 else None
        observer = quantizer_of(observed, modules)
        if observer is None or not isinstance(observed, Node):
            continue
        source: Any = observed.args[0]
        plain = isinstance(source, Node) and source.op == "get_attr"
        if plain and is_layer(node) and readers(prepared, source) == 1 and len(observed.users) == 1:
            bias = bias_of(node)
            name = None if bias is None else str(bias.target)
            found.append(RoundedLayer(node, str(source.target), name, RoundingGrid.of(observer)))
    return found


def parameters_of(prepared: GraphModule, layer: RoundedLayer) -> tuple[Tensor, Tensor | None]:
    """Return the float weight and bias of `layer`."""
    observed: Any = layer.node.args[1]
    bias = bias_of(layer.node)
    return value_of(prepared, observed.args[0]), None if bias is None else value_of(prepared, bias)
