"""What the ways of distilling can be told, checked without torch."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Settings, above, at_least, one_of, share

# Whom `distillation.teacher` may name beside a run: its own float network, and the teacher that a sweep trains.
SELF, SWEEP = "self", "sweep"
SHARE = share(one=True)
OUTPUTS = ("classes", "pixels", "binary", "values")


@dataclass(frozen=True)
class LogitsLossSettings(Settings):
    """Settings of what is learned from a teacher's outputs.

    Attributes:
        share: of the soft loss, from 0 (labels alone) to 1 (teacher alone).
        temperature: above 0. The higher, the more the teacher tells about the classes it finds unlikely.
        outputs: what they are, and with it the soft loss: `classes` (logits of classes in the last dimension), `pixels`
            (of classes in the second one, for each pixel), `binary` (one logit) or `values` (numbers: the squared
            error, without a temperature).
    """

    section: ClassVar[str] = "distillation"
    share: Annotated[float, SHARE] = 0.9
    temperature: Annotated[float, above(0)] = 2.0
    outputs: Annotated[str, one_of(*OUTPUTS)] = "classes"


@dataclass(frozen=True)
class HintLossSettings(LogitsLossSettings):
    """Settings of what is learned from a teacher's layers, and, with `share` above 0, from its outputs.

    Attributes:
        layers: student's layer to teacher's; None chooses them.
        weight: of the layers' losses, at least 0.
    """

    share: Annotated[float, SHARE] = 0.0
    layers: dict[str, str] | None = None
    weight: Annotated[float, at_least(0)] = 1.0


@dataclass(frozen=True)
class FeatureLossSettings(HintLossSettings):
    """Settings of hints."""


@dataclass(frozen=True)
class AttentionLossSettings(HintLossSettings):
    """Settings of attention transfer."""
