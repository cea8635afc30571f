"""How far noisy values are from those they stand for."""

from torch import Tensor


def sqnr(reference: Tensor, noisy: Tensor) -> float:
    """Signal to quantization noise ratio of `noisy` against `reference`, in dB (inf when equal)."""
    return decibels(reference, (reference - noisy).square().mean())


def decibels(reference: Tensor, noise: Tensor) -> float:
    """The mean power of `reference` against `noise`, a mean squared error, in dB."""
    return float(10 * (reference.detach().square().mean() / noise.detach()).log10())
