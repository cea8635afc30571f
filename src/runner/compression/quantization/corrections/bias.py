"""Bias correction: the average shift of each channel by rounding goes into the bias."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from runner.compression.quantization.corrections.layers import RoundedLayer, parameters_of, rounded_layers
from runner.compression.quantization.graph.interpreter import Reading
from runner.measure.nested import Nested


@dataclass(frozen=True)
class Shifted:
    """Number of layers that had their bias corrected."""

    layers: int

    def __str__(self) -> str:
        return f"{self.layers} layers"


def correct_biases(prepared: GraphModule, batches: Sequence[Nested], learned: dict[str, Tensor]) -> Shifted:
    """Add to `learned` (parameter name -> value) the biases with E[float output] - E[rounded output] added.

    Nagel et al. 2019, section 4.2 and appendix D (empirical): per channel, over `batches`, in the order the layers run,
    each with those before it corrected. Only means are kept.
    """
    layers = [layer for layer in rounded_layers(prepared) if layer.bias is not None]
    wanted = _means(Reading(prepared), layers, batches)
    rounding = Reading(prepared, True, learned)
    for layer in layers:
        _, bias = parameters_of(prepared, layer)
        assert bias is not None
        assert layer.bias is not None
        found = _means(rounding, [layer], batches)
        bias = learned.get(layer.bias, bias)
        learned[layer.bias] = (bias + wanted[layer.node] - found[layer.node]).to(bias.dtype)
    return Shifted(len(layers))


@torch.no_grad()
def _means(reading: Reading, layers: Sequence[RoundedLayer], batches: Sequence[Nested]) -> dict[Node, Tensor]:
    """Return the mean output of each channel (channels,), float64, of each layer over all samples."""
    axes = {layer.node: layer.channel_axis for layer in layers}
    sums: dict[Node, Tensor] = {}
    counts: dict[Node, int] = {}
    for batch in batches:
        for node, value in reading.visit(axes, batch):
            rows = value.movedim(axes[node], -1).flatten(0, -2)
            sums[node] = sums.get(node, 0) + rows.sum(0, dtype=torch.float64)
            counts[node] = counts.get(node, 0) + len(rows)
    return {node: total / counts[node] for node, total in sums.items()}
