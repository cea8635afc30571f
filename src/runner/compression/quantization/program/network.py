"""Int8 network that a recipe returns and that stands in for the float one."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from runner.compression.network import CompressedNetwork, Step
from runner.compression.quantization.backends.support import BackEnd
from runner.compression.quantization.program.lower import lower, obstacle
from runner.compression.quantization.program.trial import explained
from runner.compression.quantization.program.verify import Kernels, Reach, described, prove
from runner.measure.nested import Nested


class QuantizedNetwork(CompressedNetwork):
    """Int8 stand-in for the network it came from, in inference only.

    `program`: the converted torch.export graph (portable; runs anywhere, slowly); `reach`: what was
    quantized; `kernels`: what runs after lowering (None before `lower()`, and for back ends that are lowered
    elsewhere); `learned`: the parameters whose rounding was learned, as the program has them (name -> value), and
    `corrections`: what each correction did.
    """

    title = "int8"

    def __init__(
        self,
        program: GraphModule,
        prepared: GraphModule,
        example: Nested,
        reach: Reach,
        recipe: str,
        back_end: str | BackEnd,
        learned: Mapping[str, Tensor] | None = None,
        corrections: tuple[Step, ...] = (),
    ) -> None:
        super().__init__()
        self.learned, self.corrections = dict(learned or {}), corrections
        self.graph, self.example = program, example
        self._prepared = (prepared,)  # in a tuple: its observers are not part of the network
        self.reach, self.recipe, self.back_end = reach, recipe, back_end
        self.kernels: Kernels | None = None

    def forward(self, inputs: Nested) -> Any:
        """Return the outputs for `inputs` (N, …), any N, without gradients."""
        if self.compiled is not None:
            return self.compiled(inputs)
        with torch.no_grad():
            return self.program(inputs)

    def lower(self, inputs: Nested | None = None) -> "QuantizedNetwork":
        """Compile for this machine and the batch size of `inputs`, and prove that integers run (RunnerError if not)."""
        compiled = lower(self.program, self.back_end)
        with explained(self.back_end):
            compiled.compile_for(self.example if inputs is None else inputs)
        self.kernels = prove(compiled, self.program)
        self.compiled = compiled
        return self

    @property
    def program(self) -> GraphModule:
        """The converted graph."""
        return self.graph

    @property
    def details(self) -> dict[str, Any]:
        """The recipe and the back end."""
        return {"recipe": self.recipe, "back_end": str(self.back_end)}

    @property
    def prepared(self) -> GraphModule:
        """The calibrated (or fine-tuned) graph with its observers, float inside."""
        return self._prepared[0]

    @property
    def can_lower(self) -> bool:
        """True where this machine can compile the program; otherwise it runs as it is, and is lowered elsewhere."""
        return obstacle(self.back_end) is None

    def proof(self) -> tuple[dict[str, float], str]:
        """Return the operators and kernels that are integer now."""
        reach, kernels = self.reach, self.kernels
        metrics = {"int8_operators": float(reach.reached), "int8_share_of_macs": reach.macs_share}
        bound = "at most " if reach.unknown else ""
        line = f"int8: {reach.reached} of {reach.expected} operators, {bound}{reach.macs_share:.1%} of the "
        line += "multiply-accumulates"
        if reach.unknown:
            line += f" ({', '.join(reach.unknown)}: unknown, in float)"
        if kernels is not None:
            for name, counts in (("int8", kernels.integer), ("float", kernels.floating)):
                metrics |= {f"kernels/{name}/{kind}": float(count) for kind, count in counts.items()}
            line += (
                f"; kernels after lowering: {described(kernels.integer)} in int8, "
                f"{described(kernels.floating)} in float"
            )
        elif reason := obstacle(self.back_end):
            line += f". {reason}"
        return metrics, line
