"""Distance of noisy values from those they stand for."""

from torch import Tensor


def mse(reference: Tensor, noisy: Tensor) -> float:
    """Return the mean squared error; 0 for empty tensors."""
    return float((reference.detach() - noisy.detach()).square().mean()) if reference.numel() else 0.0


def sqnr(reference: Tensor, noisy: Tensor) -> float:
    """Return the signal to quantization noise ratio of `noisy` against `reference`, in dB (inf when equal)."""
    return decibels(reference, (reference - noisy).square().mean())


def decibels(reference: Tensor, noise: Tensor) -> float:
    """Return the mean power of `reference` against `noise`, a mean squared error, in dB."""
    return float(10 * (reference.detach().square().mean() / noise.detach()).log10())
