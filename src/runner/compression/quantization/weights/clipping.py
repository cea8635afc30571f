"""The range that a block's codes cover: all of its values, or less where clipping a few costs less than it gains."""

from collections.abc import Callable

import torch
from torch import Tensor

from runner.compression.quantization.arithmetic.granularity import Granularity
from runner.compression.quantization.arithmetic.grid import Grid
from runner.compression.quantization.arithmetic.parameters import Parameters, reaching, span
from runner.compression.quantization.arithmetic.rounding import dequantize, quantize
from runner.compression.quantization.weights.stored import as_stored

Ranges = Callable[[Tensor, Grid, Granularity], Parameters]
# Shares of the full range that are tried; below two fifths clipping never paid on trained weights.
SHARES = tuple(1 - 0.02 * step for step in range(31))


def full_range(weight: Tensor, grid: Grid, granularity: Granularity) -> Parameters:
    """Parameters that clip nothing."""
    return as_stored(reaching(*span(granularity.blocks(weight)), grid, granularity))


def least_error_range(weight: Tensor, grid: Grid, granularity: Granularity) -> Parameters:
    """For each block the share of its range with the least squared error (as OCTAV and AWQ search it, by trial)."""
    low, high = span(granularity.blocks(weight))
    best = as_stored(reaching(low, high, grid, granularity))
    least = block_errors(weight, best)
    for share in SHARES[1:]:
        tried = as_stored(reaching(low * share, high * share, grid, granularity))
        errors = block_errors(weight, tried)
        better = errors < least
        least = torch.where(better, errors, least)
        scale = torch.where(better, tried.scale, best.scale)
        zero_point = torch.where(better, tried.zero_point, best.zero_point)
        best = Parameters(grid, granularity, scale, zero_point)
    return as_stored(best)


def block_errors(weight: Tensor, parameters: Parameters) -> Tensor:
    """Return the summed squared rounding error of each block."""
    back = dequantize(quantize(weight, parameters), parameters)
    return parameters.granularity.blocks((back - weight).square()).sum(-1)
