"""Hand weights and biases that were learned under rounding to conversion, so that it finds exactly those integers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import ObserverBase

from runner.compression.quantization.graph.operators import heavy_nodes
from runner.compression.quantization.graph.parameters import put


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
