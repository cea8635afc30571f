"""Where a quantized network loses accuracy: signal to noise, ranges and clipping of each layer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from runner.compression.quantization.graph.interpreter import Reading
from runner.compression.quantization.graph.operators import TARGETS, heavy_nodes, layer, origin
from runner.compression.quantization.graph.simulate import SimulatedNetwork, learned_for, quantizer_of, rounded
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.measure import nested
from runner.measure.error import decibels
from runner.measure.nested import Nested


@dataclass(frozen=True)
class TensorError:
    """What rounding does to one tensor: SQNR in dB, mean squared error, range, share of values clipped (0 to 1)."""

    sqnr_db: float
    mse: float
    low: float
    high: float
    clipped: float


@dataclass(frozen=True)
class LayerReport:
    """One layer: its weight and its input rounded alone, and its output in the int8 program (errors add up there)."""

    layer: str
    kind: str
    weight: TensorError | None
    input: TensorError | None
    output_sqnr_db: float
    output_mse: float


def analyse(network: QuantizedNetwork, batches: Iterable[Nested]) -> list[LayerReport]:
    """Return a report per quantized layer, in the order they run, over `batches` (N, ...).

    All of them at once in memory.

    Float values are those of the prepared graph (for QAT: of the fine-tuned weights, with rounding off). Float graph
    and int8 program run side by side, and beside them only the activations of the layer at work are kept.
    """
    inputs, prepared = nested.concatenate(list(batches)), network.prepared
    modules = dict(prepared.named_modules(remove_duplicate=False))
    twins = {(layer(node), index): node for index, node in _numbered(network.program)}
    pairs = {node: twins[layer(node), index] for index, node in _numbered(prepared) if (layer(node), index) in twins}
    observed: dict[Node, tuple[Any, Any]] = {node: (origin(node.args[0]), node.args[1]) for node in pairs}
    quantized = {each for both in observed.values() for each in both if quantizer_of(each, modules) is not None}
    errors: dict[Any, TensorError | None] = {}
    reports, integer = [], _Alongside(network.program, pairs.values(), inputs)
    for node, value in Reading(prepared).visit({*pairs, *quantized}, inputs):
        if node in quantized:
            errors[node] = _error(node, modules, value, network.learned)
        else:
            noise = (value - integer.value(pairs[node])).square().mean()
            own, weight = (errors.get(each) for each in observed[node])
            reports.append(
                LayerReport(layer(node), TARGETS[node.target], weight, own, decibels(value, noise), float(noise))
            )
    return reports


def _numbered(graph: GraphModule) -> list[tuple[int, Node]]:
    """Heavy nodes with their running number among the calls of the same layer."""
    seen: dict[str, int] = {}
    numbered = []
    for node in heavy_nodes(graph):
        seen[layer(node)] = seen.get(layer(node), -1) + 1
        numbered.append((seen[layer(node)], node))
    return numbered


def _error(node: Node, modules: dict[str, Any], value: Tensor, learned: Mapping[str, Tensor]) -> TensorError | None:
    """Return what `node`, an observer, does to `value`; a learned weight is what was learned, not the nearest."""
    observer = quantizer_of(node, modules)
    if getattr(observer, "is_dynamic", False):
        return None
    back, clipped = rounded(observer, value)
    instead = learned_for(node, learned)
    noise = (value - (back if instead is None else instead(value))).detach().square().mean()
    low, high = torch.aminmax(value.detach())
    return TensorError(decibels(value, noise), float(noise), float(low), float(high), float(clipped.float().mean()))


class _Alongside:
    """The values of nodes in another graph, run just as far as they are asked for."""

    def __init__(self, graph: GraphModule, nodes: Iterable[Node], inputs: Nested) -> None:
        self.coming: Iterator[tuple[Node, Tensor]] = Reading(graph).visit(nodes, inputs)
        self.waiting: dict[Node, Tensor] = {}

    def value(self, node: Node) -> Tensor:
        """Return the value of `node`; asked for once."""
        while node not in self.waiting:
            passed, value = next(self.coming)
            self.waiting[passed] = value
        return self.waiting.pop(node)


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
