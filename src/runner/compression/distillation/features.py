"""Distillation by features: a student's layer learns to tell, through a projection, what a teacher's layer gives."""

from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.distillation.hints import HintLoss, resized
from runner.compression.distillation.layers import device_of
from runner.compression.distillation.pairs import Pair


class FeatureLoss(HintLoss):
    """Hints (Romero et al., 2015: FitNets, equation 3), given during the whole training instead of before it.

    The loss of a pair is the squared error of the projected features over the mean square of the teacher's, so that
    `weight` means the same for every network: 1 where the student says nothing, 0 where it says all. The projection
    is a 1×1 convolution (a linear layer over the last dimension of sequences and vectors) where the channels differ;
    maps of another height and width are interpolated. Without `layers`, only the deepest pair is taken.

    Args: see `HintLoss`.
    """

    kind = "features"

    def __init__(self, teacher: nn.Module, student: nn.Module, example: Any, **settings: Any) -> None:
        super().__init__(teacher, student, example, **settings)
        # The run draws the same numbers afterwards as one without a teacher: the same batches, the same dropout.
        with torch.random.fork_rng(devices=[]):
            made = [projection(pair) for pair in self.pairs]
        self.projections = nn.ModuleList(made).to(device_of(student))

    def preferred(self, pairs: list[Pair]) -> list[Pair]:
        """Return the deepest pair."""
        return pairs[-1:]

    def difference(self, number: int, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the mean squared error relative to the teacher's mean square."""
        error = resized(self.projections[number](student), teacher.shape) - teacher
        return error.square().mean() / teacher.square().mean().clamp_min(torch.finfo(teacher.dtype).tiny)


def projection(pair: Pair) -> nn.Module:
    """Return a projection from the student's channels to the teacher's."""
    channel = 1 if len(pair.student_shape) == 4 else -1
    ours, theirs = pair.student_shape[channel], pair.teacher_shape[channel]
    if ours == theirs:
        return nn.Identity()
    return nn.Conv2d(ours, theirs, 1) if channel == 1 else nn.Linear(ours, theirs)
