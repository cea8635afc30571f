"""Quantize values to codes, and dequantize codes to values."""

import torch
from torch import Tensor

from runner.compression.quantization.arithmetic.parameters import Parameters


def quantize(tensor: Tensor, parameters: Parameters) -> Tensor:
    """Return the codes of `tensor`, in its shape, int8 or uint8; never outside the grid.

    Rounds half to even and multiplies by the reciprocal of the scale, as torch.quantize_per_tensor does. What lies
    outside the range gets the nearest code, infinities included; NaN, which torch leaves open, becomes zero.
    """
    return within(unclipped(tensor.detach(), parameters), parameters).to(parameters.grid.dtype)


def dequantize(codes: Tensor, parameters: Parameters) -> Tensor:
    """Return the float32 values that `codes` stand for."""
    zero_point = parameters.granularity.spread(parameters.zero_point, codes.shape)
    return (codes.to(torch.int32) - zero_point) * parameters.granularity.spread(parameters.scale, codes.shape)


def unclipped(tensor: Tensor, parameters: Parameters) -> Tensor:
    """Return codes as float32 before they are clipped to the grid; NaN becomes the zero point."""
    inverse = parameters.granularity.spread(1 / parameters.scale, tensor.shape)
    zero_point = parameters.granularity.spread(parameters.zero_point, tensor.shape)
    return torch.round(torch.where(tensor.isnan(), 0, tensor).float() * inverse) + zero_point


def within(codes: Tensor, parameters: Parameters) -> Tensor:
    """Return codes clipped to the grid."""
    return codes.clamp(parameters.grid.low, parameters.grid.high)
