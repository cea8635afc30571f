"""Where a quantized network loses accuracy: signal to noise, ranges and clipping of each layer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.operators import TARGETS, heavy_nodes, layer, origin
from runner.compression.quantization.pt2e.simulate import quantizer_of, rounded
from runner.measure.error import decibels
from runner.measure.error import sqnr as sqnr  # callers look for it here


@dataclass(frozen=True)
class TensorError:
    """What rounding does to one tensor: SQNR in dB, mean squared error, range seen, share of values clipped
    (0 to 1)."""

    sqnr_db: float
    mse: float
    low: float
    high: float
    clipped: float


@dataclass(frozen=True)
class LayerReport:
    """One layer: its weight and its input rounded alone, and its output in the int8 program (errors add up
    there)."""

    layer: str
    kind: str
    weight: TensorError | None
    input: TensorError | None
    output_sqnr_db: float
    output_mse: float


def analyse(network: QuantizedNetwork, batches: Iterable[Tensor]) -> list[LayerReport]:
    """A report per quantized layer, in the order they run, over `batches` (N, ...), all of them at once in
    memory.

    Float values are those of the prepared graph (for QAT: of the fine-tuned weights, with rounding off).
    """
    inputs = torch.cat(list(batches))
    prepared = network.prepared
    floating = _Recorder(prepared, rounding=False).record(inputs)
    integer = _Recorder(network.program).record(inputs)
    reports, modules = [], dict(prepared.named_modules(remove_duplicate=False))
    wanted = {(layer(node), index): node for index, node in _numbered(network.program)}
    for index, node in _numbered(prepared):
        twin = wanted.get((layer(node), index))
        if twin is None:
            continue
        errors = [_error(argument, modules, floating) for argument in (origin(node.args[0]), node.args[1])]
        output, noisy = floating[node.name], integer[twin.name]
        noise = (output - noisy).square().mean()
        reports.append(
            LayerReport(layer(node), TARGETS[node.target], errors[1], errors[0], decibels(output, noise), float(noise))
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


def _error(argument: Any, modules: dict[str, Any], values: dict[str, Tensor]) -> TensorError | None:
    observer = quantizer_of(argument, modules)
    if observer is None or getattr(observer, "is_dynamic", False):
        return None
    value = values[argument.args[0].name]
    back, clipped = rounded(observer, value)
    noise = (value - back).detach().square().mean()
    low, high = torch.aminmax(value.detach())
    return TensorError(decibels(value, noise), float(noise), float(low), float(high), float(clipped.float().mean()))


class _Recorder(Interpreter):
    """Runs a graph and keeps the tensors that heavy operators read and write; observers pass values
    through."""

    def __init__(self, graph: GraphModule, rounding: bool = True) -> None:
        super().__init__(graph)
        self.rounding = rounding
        self.values: dict[str, Tensor] = {}

    def record(self, inputs: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            self.run(inputs)
        return self.values

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        return args[0] if not self.rounding else super().call_module(target, args, kwargs)

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.values[n.name] = value
        return value
