"""Run a graph node by node, in float or rounded as the int8 program will, and keep nothing that is not read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.fx._pytree import tree_flatten_spec
from torch.fx.graph import _PyTreeCodeGen
from torchao.quantization.pt2e import FakeQuantizeBase, ObserverBase

from runner.compression.quantization.graph.simulate import rounded
from runner.measure import nested
from runner.measure.nested import Nested


@dataclass(frozen=True)
class RoundingGrid:
    """The values an observer allows: (q - zero) * scale for whole numbers q from `low` to `high`.

    `scale` float32 and `zero` int32, (1,) each or one for each channel along `axis`.
    """

    scale: Tensor
    zero: Tensor
    low: int
    high: int
    axis: int

    @classmethod
    def of(cls, observer: Any) -> "RoundingGrid":
        """Return the grid of a calibrated observer; some search for it, so ask once."""
        scale, zero = observer.calculate_qparams()
        axis = getattr(observer, "ch_axis", 0) or 0
        return cls(scale.detach(), zero.int(), int(observer.quant_min), int(observer.quant_max), axis)

    def round(self, value: Tensor) -> Tensor:
        """Round `value` (any shape) to the nearest points, by the arithmetic of the program's own operators."""
        if self.scale.numel() == 1:
            scale, zero = self.scale.reshape(()), self.zero.reshape(())
            return torch.fake_quantize_per_tensor_affine(value, scale, zero, self.low, self.high)
        return torch.fake_quantize_per_channel_affine(value, self.scale, self.zero, self.axis, self.low, self.high)

    def along(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point (float), shaped to broadcast over `value`."""
        shape = [1] * value.dim()
        if self.scale.numel() > 1:
            shape[self.axis] = -1
        return self.scale.reshape(shape), self.zero.reshape(shape).to(value.dtype)


class Reading(Interpreter):
    """Interpreter of `graph` that hands out the values of chosen nodes; a value is dropped as soon as it can be.

    Observers pass values on, or round them where `rounding`; `learned` (name -> value) then stands in for parameters.
    A converted program, which has no observers, runs as it is.
    """

    def __init__(self, graph: GraphModule, rounding: bool = False, learned: Mapping[str, Tensor] | None = None) -> None:
        super().__init__(graph)
        self.rounding = rounding
        self.learned: Mapping[str, Tensor] = {} if learned is None else learned
        self._grids: dict[str, RoundingGrid] = {}

    def outputs(self, inputs: Nested) -> Any:
        """Return the outputs of the whole graph for `inputs` (N, …)."""
        with torch.no_grad():
            outputs = self.run(*self.flat(inputs), enable_io_processing=False)
            return self.graph.process_outputs(outputs)

    def flat(self, inputs: Nested) -> list[Any]:
        """Return the inputs one by one as the graph takes them, those of dicts by the names it was captured with."""
        code = self.graph._codegen
        if nested.is_single(inputs) or not isinstance(code, _PyTreeCodeGen):
            return [inputs]
        return tree_flatten_spec(((inputs,), {}), code.pytree_info.in_spec)

    def value(self, node: Node, inputs: Nested) -> Tensor:
        """Return the value of one node for `inputs` (N, …); only what it depends on is run."""
        ((_, value),) = self.visit([node], inputs)
        return value

    @torch.no_grad()
    def visit(self, nodes: Iterable[Node], inputs: Nested) -> Iterator[tuple[Node, Any]]:
        """Yield each of `nodes` with its value, as they are computed; only what they depend on is run."""
        wanted = set(nodes)
        order = _needed(self.graph, wanted)
        last = {source: node for node in order for source in [*node.all_input_nodes, node]}
        dying: dict[Node, list[Node]] = {}
        for source, node in last.items():
            dying.setdefault(node, []).append(source)
        self.env, self.args_iter = {}, iter(self.flat(inputs))
        for node in order:
            value = self.env[node] = self.run_node(node)
            for source in dying.get(node, ()):
                del self.env[source]
            if node in wanted:
                yield node, value
            del value

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return a parameter, or the value learned in its place."""
        found = self.learned.get(str(target)) if self.rounding else None
        return super().get_attr(target, args, kwargs) if found is None else found

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Let an observer round or pass on, and never observe."""
        module = self.fetch_attr(target)
        if not isinstance(module, ObserverBase | FakeQuantizeBase):
            return super().call_module(target, args, kwargs)
        if not self.rounding:
            return args[0]
        if getattr(module, "is_dynamic", False):
            return rounded(module, args[0])[0]
        if target not in self._grids:
            self._grids[target] = RoundingGrid.of(module)
        return self._grids[target].round(args[0])


class RoundedNetwork(nn.Module):
    """Stand-in for the int8 program that a calibrated graph will become, without converting it."""

    def __init__(self, prepared: GraphModule, learned: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._reading = (Reading(prepared, True, learned),)  # in a tuple: the graph refuses train() and eval()
        self.training = False

    def forward(self, inputs: Nested) -> Any:
        """Return the outputs for `inputs` (N, …), without gradients."""
        return self._reading[0].outputs(inputs)

    def train(self, mode: bool = True) -> "RoundedNetwork":
        """Stay in inference mode."""
        return self


def _needed(graph: Any, wanted: set[Node]) -> list[Node]:
    """Return the nodes that `wanted` depend on, and those themselves, in the order they run."""
    needed, waiting = set(wanted), list(wanted)
    while waiting:
        fresh = [source for source in waiting.pop().all_input_nodes if source not in needed]
        needed.update(fresh)
        waiting += fresh
    return [node for node in graph.nodes if node in needed or node.op == "placeholder"]
