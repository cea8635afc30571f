"""Distillation by attention: a student learns where its teacher looks."""

import math

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from runner.compression.distillation.hints import HintLoss, resized
from runner.compression.distillation.pairs import Pair, size
from runner.errors import RunnerError


class AttentionLoss(HintLoss):
    """Attention transfer (Zagoruyko and Komodakis, 2017: Paying More Attention to Attention, equation 2, p = 2).

    A layer's attention is the mean over channels of its squared features, scaled to length 1 over all positions: of
    images (N, C, H, W) a map, of sequences (N, T, F) one number a token. The loss of a pair is the squared distance of
    the two, the mean over samples, between 0 and 2: twice one minus their cosine. It learns nothing of its own.
    Maps of another height and width are interpolated. Without `layers`, all pairs of more than one position are taken.

    Args: see `HintLoss`.

    Raises:
        RunnerError: also where features have no positions to attend to.
    """

    kind = "attention"

    def preferred(self, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs whose features have positions; the deepest, to be told of, where none has."""
        return [pair for pair in pairs if has_positions(pair)] or pairs[-1:]

    def check(self, pair: Pair) -> None:
        """Raise RunnerError where features have no positions."""
        if not has_positions(pair):
            raise RunnerError(
                f"distillation=attention: {pair} has one position only, so there is nowhere to look. Name other "
                "layers (distillation.layers), or use distillation=features or logits."
            )

    def difference(self, number: int, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the squared distance of the attentions."""
        ours, theirs = attention(resized(energy(student), teacher.shape)), attention(energy(teacher))
        return (ours - theirs).square().sum(1).mean()


def has_positions(pair: Pair) -> bool:
    """Return whether both sides have more than one position."""
    return all(math.prod(size(shape)) > 1 for shape in (pair.student_shape, pair.teacher_shape))


def energy(features: Tensor) -> Tensor:
    """Return the mean square over channels: (N, 1, H, W) of images (N, C, H, W), (N, T) of sequences (N, T, F)."""
    squares = features.square()
    return squares.mean(1, keepdim=True) if features.ndim == 4 else squares.mean(-1)


def attention(energy: Tensor) -> Tensor:
    """Return energy (N, …) as (N, positions) of length 1; zero where there is none."""
    return F.normalize(energy.flatten(1))
