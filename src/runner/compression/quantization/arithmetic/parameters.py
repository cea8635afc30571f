"""Scale and zero point: what codes mean, and how both are chosen from the values."""

from dataclasses import dataclass

import torch
from torch import Tensor

from runner.compression.quantization.arithmetic.granularity import Granularity
from runner.compression.quantization.arithmetic.grid import Grid

_FLOAT = torch.finfo(torch.float32)
# A code stands for at most `steps` scales: with ranges up to here nothing that comes back overflows.
LARGEST = _FLOAT.max / 2


@dataclass(frozen=True)
class Parameters:
    """value = (code - zero_point) * scale, for all values of a block.

    Attributes:
        scale: float32, positive; of the shape that the granularity gives: (), (channels,) or (out, groups).
        zero_point: int32, within the grid, of the same shape.
    """

    grid: Grid
    granularity: Granularity
    scale: Tensor
    zero_point: Tensor


def span(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest finite value of each block (…, n), at most 0 and at least 0."""
    finite = torch.where(blocks.isfinite(), blocks, 0).float().clamp(-LARGEST, LARGEST)
    if not finite.shape[-1]:
        return finite.new_zeros(finite.shape[:-1]), finite.new_zeros(finite.shape[:-1])
    return finite.amin(-1).clamp(max=0), finite.amax(-1).clamp(min=0)


def reaching(low: Tensor, high: Tensor, grid: Grid, granularity: Granularity) -> Parameters:
    """Return the parameters that represent `low` (at most 0) to `high` (at least 0) of each block.

    Jacob et al., 2018, section 2.1 and 3. An empty block and one of zeros get the smallest scale there is, any other
    constant one a scale that returns it.

    Symmetric: the scale that the larger of the two needs on the side with fewer codes. The zero point is rounded to a
    code, so that 0 is represented exactly, and clipped to the grid.
    """
    if grid.symmetric:
        scale = torch.maximum(-low, high) / (grid.high - grid.middle)
        scale = scale.clamp(min=_FLOAT.tiny)
        return Parameters(grid, granularity, scale, torch.full_like(scale, grid.middle, dtype=torch.int32))
    scale = (high / grid.steps - low / grid.steps).clamp(min=_FLOAT.tiny)
    return Parameters(grid, granularity, scale, zero_point_of(low, scale, grid))


def zero_point_of(low: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """Return the code of 0 where the lowest code stands for `low`: int32, clipped to the grid."""
    return (grid.low - torch.round(low * (1 / scale))).clamp(grid.low, grid.high).to(torch.int32)
