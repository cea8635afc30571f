"""The integers that values are rounded to."""

from dataclasses import dataclass

import torch

from runner.errors import RunnerError

WIDTHS = range(2, 9)


@dataclass(frozen=True)
class Grid:
    """The codes of one width.

    Attributes:
        bits: 2 to 8.
        signed: codes from -2^(bits-1) to 2^(bits-1) - 1; unsigned: from 0 to 2^bits - 1.
        symmetric: the zero point is fixed in the middle (0 when signed, 2^(bits-1) when unsigned), as weights mostly
            have it; asymmetric: it is chosen with the scale, which spends no codes on values that do not occur.
        narrow: leaves out the lowest code, so that there are as many below the middle as above it.
    """

    bits: int = 8
    signed: bool = True
    symmetric: bool = False
    narrow: bool = False

    def __post_init__(self) -> None:
        if self.bits not in WIDTHS:
            raise RunnerError(f"bits={self.bits}: codes are {WIDTHS[0]} to {WIDTHS[-1]} bits wide.")

    @property
    def low(self) -> int:
        """The lowest code."""
        return (-(1 << self.bits - 1) if self.signed else 0) + self.narrow

    @property
    def high(self) -> int:
        """The highest code."""
        return (1 << self.bits - 1) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def middle(self) -> int:
        """The zero point of the symmetric grid."""
        return 0 if self.signed else 1 << self.bits - 1

    @property
    def steps(self) -> int:
        """Number of steps between the lowest and the highest code."""
        return self.high - self.low

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of codes: int8, or uint8 when unsigned."""
        return torch.int8 if self.signed else torch.uint8
