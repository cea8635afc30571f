"""Quantize, dequantize, and both at once with a gradient that passes straight through."""

from typing import Any

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


def fake_quantize(tensor: Tensor, parameters: Parameters) -> Tensor:
    """Round `tensor` to the values its codes stand for, in its own dtype.

    The gradient is 1 where the value is within the range and 0 outside (straight-through estimator: Bengio et al.,
    2013; as torch.fake_quantize_per_tensor_affine).
    """
    rounded: Tensor = _StraightThrough.apply(tensor, parameters)
    return rounded


def unclipped(tensor: Tensor, parameters: Parameters) -> Tensor:
    """Return codes as float32 before they are clipped to the grid; NaN becomes the zero point."""
    inverse = parameters.granularity.spread(1 / parameters.scale, tensor.shape)
    zero_point = parameters.granularity.spread(parameters.zero_point, tensor.shape)
    return torch.round(torch.where(tensor.isnan(), 0, tensor).float() * inverse) + zero_point


def within(codes: Tensor, parameters: Parameters) -> Tensor:
    """Return codes clipped to the grid."""
    return codes.clamp(parameters.grid.low, parameters.grid.high)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, parameters: Parameters) -> Tensor:
        codes = unclipped(tensor, parameters)
        clipped = within(codes, parameters)
        ctx.save_for_backward((codes == clipped) & ~tensor.isnan())
        return dequantize(clipped, parameters).to(tensor.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None
