"""How much each layer's rounding costs, in the user's own metric."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from runner.compression.quantization.graph.simulate import SimulatedNetwork

Evaluate = Callable[[nn.Module], float]


@dataclass(frozen=True)
class LayerSensitivity:
    """The metric with only this layer rounded, and with all layers but this one."""

    layer: str
    only: float
    all_but: float


@dataclass(frozen=True)
class Sensitivity:
    """The metric in float, with every layer rounded, and per layer."""

    floating: float
    quantized: float
    layers: tuple[LayerSensitivity, ...]


def measure_sensitivity(network: SimulatedNetwork, evaluate: Evaluate) -> Sensitivity:
    """2 n + 2 evaluations for n layers; `evaluate` returns the metric (whichever way is better) of a network."""
    everything = set(network.layers)
    rows = tuple(
        LayerSensitivity(name, evaluate(network.activate({name})), evaluate(network.activate(everything - {name})))
        for name in network.layers
    )
    return Sensitivity(evaluate(network.activate(set())), evaluate(network.activate(everything)), rows)
