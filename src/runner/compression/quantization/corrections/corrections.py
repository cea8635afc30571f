"""Corrections of static int8: better ranges and better rounding, each measured before and after.

What makes them is imported where one is asked for: most recipes make none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.fx import GraphModule

from runner.compression.network import Evaluate, Step
from runner.compression.quantization.corrections.settings import CorrectionsSettings
from runner.errors import join_errors
from runner.measure.nested import Nested

Prepare = Callable[[GraphModule], GraphModule]


@dataclass(frozen=True)
class Corrections(CorrectionsSettings):
    """Which corrections are made, in this order; none by default."""

    def check(self, captured: GraphModule) -> None:
        """Raise RunnerError where a correction asked for finds nothing to do in `captured`, which is used up."""
        if self.smooth is None and not self.equalize:
            return
        from runner.compression.quantization.corrections.making import objections

        if wrong := objections(self, captured):
            raise join_errors(wrong)


@dataclass(frozen=True)
class Corrected:
    """The calibrated graph, the parameters learned for its rounding (name -> value), and what each step brought."""

    prepared: GraphModule
    learned: dict[str, Tensor] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


def correct(
    corrections: Corrections,
    captured: GraphModule,
    prepare: Prepare,
    batches: Sequence[Nested],
    evaluate: Evaluate | None = None,
) -> Corrected:
    """Return `captured` (a fresh capture, used up), prepared and calibrated by `prepare`, with `corrections` made.

    `batches` of inputs (N, …); `evaluate` is the user's metric of a network that answers them. Without corrections
    nothing is measured and `prepare(captured)` comes back. RunnerError: a correction finds nothing to do.
    """
    if not corrections.names:
        return Corrected(prepare(captured))
    from runner.compression.quantization.corrections.making import make

    return Corrected(*make(corrections, captured, prepare, batches, evaluate))
