"""Rounding that makes up, in weights not yet rounded, for what rounding did to those before (Frantar et al., 2022)."""

import torch
from torch import Tensor

from runner.compression.quantization.arithmetic.granularity import PerChannel
from runner.compression.quantization.arithmetic.grid import Grid
from runner.compression.quantization.arithmetic.parameters import Parameters
from runner.compression.quantization.arithmetic.rounding import dequantize, quantize
from runner.compression.quantization.weights.clipping import least_error_range
from runner.compression.quantization.weights.stored import layout_of, scale_dtype

# Added to the diagonal, as a share of its mean (section 3.3, step 3), and how often ten times as much is tried.
DAMPING, ATTEMPTS = 0.01, 4
# Columns whose effect on all later ones is applied at once (section 3.3, step 2).
BLOCK = 128


def round_by_hessian(weight: Tensor, hessian: Tensor, grid: Grid, group_size: int | None) -> tuple[Tensor, Parameters]:
    """Codes of `weight` in its shape, and their parameters, chosen one input column after the other.

    Weights that are exactly 0 stay so, as pruning left them (what Frantar and Alistarh, 2023, do for both at once).

    Args:
        weight: float (out, …).
        hessian: the layer's second moments, (conv groups, n, n); used up.
        grid: the codes.
        group_size: columns that share a scale, chosen when their turn has come; None for all.
    """
    groups, count = hessian.shape[0], hessian.shape[1]
    inverse = inverse_factor(hessian)
    left = weight.detach().float().reshape(groups, -1, count).clone()
    pruned = left == 0
    width = group_size or count
    codes = torch.empty(left.shape, dtype=grid.dtype, device=left.device)
    chosen = []
    for start in range(0, count, width):
        end = min(start + width, count)
        chosen.append(range_of(left[:, :, start:end].flatten(0, 1), grid, group_size))
        for first in range(start, end, BLOCK):
            block = slice(first, min(first + BLOCK, end))
            round_block(left, codes, inverse, pruned, block, chosen[-1])
    scale, zero_point = (
        torch.stack(parts, 1) for parts in zip(*((p.scale, p.zero_point) for p in chosen), strict=True)
    )
    if group_size is None:
        scale, zero_point = scale[:, 0], zero_point[:, 0]
    return codes.reshape(weight.shape), Parameters(grid, layout_of(group_size), scale, zero_point)


def range_of(rows: Tensor, grid: Grid, group_size: int | None) -> Parameters:
    """Parameters for each row of a group of columns, its scales as exact as they are kept."""
    found = least_error_range(rows, grid, PerChannel(0))
    scale = found.scale.to(scale_dtype(found.scale, group_size)).float()
    return Parameters(grid, found.granularity, scale, found.zero_point)


def round_block(
    left: Tensor, codes: Tensor, inverse: Tensor, pruned: Tensor, block: slice, parameters: Parameters
) -> None:
    """Round the columns `block` of `left` (groups, out, n) into `codes`, and corrects all columns that follow.

    `left` holds the weights as corrected so far; algorithm 1 of the paper.
    """
    errors = torch.zeros_like(left[:, :, block])
    for column in range(block.start, block.stop):
        values = left[:, :, column]
        rounded = quantize(values.masked_fill(pruned[:, :, column], 0).reshape(-1, 1), parameters)
        codes[:, :, column] = rounded.view(values.shape)
        back = dequantize(rounded, parameters).view(values.shape)
        error = (values - back) / inverse[:, column, column, None]
        errors[:, :, column - block.start] = error
        left[:, :, column : block.stop] -= error[..., None] * inverse[:, None, column, column : block.stop]
    left[:, :, block.stop :] -= errors @ inverse[:, block, block.stop :]


def inverse_factor(hessian: Tensor) -> Tensor:
    """Return the upper Cholesky factor of the inverse of the damped `hessian` (groups, n, n), in its memory.

    Inputs that were always 0 weigh nothing and correct nothing. Where the damping is too little it is raised.
    """
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    diagonal += (diagonal == 0).to(hessian.dtype)
    mean = diagonal.mean(1, keepdim=True)
    factor = torch.empty_like(hessian)
    for attempt in range(ATTEMPTS):
        diagonal += DAMPING * 10**attempt * mean
        _, failed = torch.linalg.cholesky_ex(hessian, out=(factor, torch.empty(len(hessian), dtype=torch.int32)))
        if not failed.any():
            break
    torch.cholesky_inverse(factor, out=hessian)
    torch.linalg.cholesky(hessian, upper=True, out=factor)
    return factor
