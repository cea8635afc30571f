"""Which corrections are made and how, checked without torch."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from runner.compression.constraints import Settings, above, at_least, mistakes, share
from runner.errors import did_you_mean


@dataclass(frozen=True)
class AdaRound(Settings):
    """Settings: `iterations` of Adam for each layer on `batch_size` samples each; `lr` of the rounding variables.

    `regularization` weighs the push towards 0 and 1. The reconstruction error stands against it in shares of what
    nearest rounding has, times the number of weights: so one value fits layers of any size and scale, and the few
    iterations (the paper takes 10,000) suffice.
    """

    section: ClassVar[str] = "quantization.corrections.adaround"
    iterations: Annotated[int, at_least(1)] = 500
    batch_size: Annotated[int, at_least(1)] = 32
    lr: Annotated[float, above(0)] = 0.1
    regularization: Annotated[float, at_least(0)] = 10.0


@dataclass(frozen=True)
class CorrectionsSettings(Settings):
    """Corrections to make, in this order; none by default.

    `equalize`: cross-layer equalization; `smooth`: SmoothQuant's alpha, from 0 (all to the activations) to 1 (all to
    the weights), None for off; `adaround`: learned rounding, True or its settings; `bias_correction`.
    """

    section: ClassVar[str] = "quantization.corrections"
    equalize: bool = False
    smooth: Annotated[float, share(one=True)] | None = None
    adaround: bool | dict | AdaRound = False  # type: ignore[type-arg]  # the plain type, which `complain` looks up
    bias_correction: bool = False

    def conflicts(self) -> Iterator[str]:
        """See Settings.conflicts."""
        if not isinstance(self.adaround, dict):
            return
        known = [each.name for each in fields(AdaRound)]
        for key in self.adaround:
            if key not in known:
                yield (
                    f"{AdaRound.section}.{key}: there is no such key.{did_you_mean(str(key), known)} "
                    f"Known: {', '.join(known)}."
                )
        yield from mistakes(AdaRound, self.adaround, AdaRound.section)

    @property
    def rounding(self) -> AdaRound | None:
        """The settings of AdaRound where it is on."""
        if isinstance(self.adaround, bool):
            return AdaRound() if self.adaround else None
        values: Any = self.adaround
        return values if isinstance(values, AdaRound) else AdaRound(**values)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are made, in their order."""
        made = {
            "equalize": self.equalize,
            "smooth": self.smooth is not None,
            "adaround": self.rounding is not None,
            "bias_correction": self.bias_correction,
        }
        return tuple(name for name, on in made.items() if on)
