"""Distance of noisy values from those they stand for."""

from torch import Tensor

from runner.measure import nested
from runner.measure.nested import Nested


def sqnr(reference: Nested, noisy: Nested) -> float:
    """Signal to quantization noise ratio of `noisy` against `reference`, in dB (inf when equal).

    Of several tensors the lowest: an output of small numbers counts as much as one of large ones.
    """
    if not nested.is_single(reference):
        return min(_sqnr(one.float(), two.float()) for one, two in nested.pairs(reference, noisy))
    return _sqnr(reference, noisy)


def _sqnr(reference: Tensor, noisy: Tensor) -> float:
    return decibels(reference, (reference - noisy).square().mean())


def decibels(reference: Tensor, noise: Tensor) -> float:
    """Return the mean power of `reference` against `noise`, a mean squared error, in dB."""
    return float(10 * (reference.detach().square().mean() / noise.detach()).log10())
