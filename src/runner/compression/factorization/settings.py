"""What the ways of factorizing can be told, checked without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Rule, Settings, above, at_least

RANK = Rule("a share between 0 and 1, or a whole number", lambda value: value <= 1 or value == int(value))


@dataclass(frozen=True)
class LowRankSettings(Settings):
    """Settings of the truncated singular value decomposition.

    Attributes:
        rank: channels between the two: a share of each layer's full rank where below 1, else a number.
        energy: in place of `rank` where it is given: the share of the sum of squared singular values that each layer
            keeps, above 0 and up to 1, by the smallest rank that does.
        skip: layers that stay, by name (globs) or type.
    """

    section: ClassVar[str] = "factorization"
    rank: Annotated[float, above(0), RANK] = 0.5
    energy: Annotated[float, Rule("above 0 and up to 1", lambda value: 0 < value <= 1)] | None = None
    skip: Sequence[str] = ()


@dataclass(frozen=True)
class DepthwiseSettings(Settings):
    """Settings of depthwise-separable convolutions.

    Attributes:
        multiplier: kernels for each input channel, at least 1.
        least_channels: convolutions over fewer input channels stay: they would be left with hardly any kernel.
        skip: layers that stay, by name (globs) or type.
    """

    section: ClassVar[str] = "factorization"
    multiplier: Annotated[int, at_least(1)] = 1
    least_channels: Annotated[int, at_least(1)] = 4
    skip: Sequence[str] = ()


class FactorizationFineTune:
    """What training afterwards is told, judged by `constraints.mistakes`."""

    epochs: Annotated[int, at_least(0)]
    lr: Annotated[float, above(0)]
