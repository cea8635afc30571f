"""Distillation by outputs: the teacher's probabilities at a temperature, mixed with the labels."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.compression.distillation.loss import DistillationLoss
from runner.compression.distillation.settings import LogitsLossSettings
from runner.compression.network import ModelCall, call_model

# A token without a class, as torch's cross-entropy has it.
NO_CLASS = -100
# A pixel without one.
NOTHING = 255


def classes(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return T² KL(softmax(teacher / T) ‖ softmax(student / T)) in nats, 0-d (Hinton et al., 2015, section 2).

    Logits (N, C): the mean over samples. Logits (N, T, C) with targets int64 (N, T or more): summed over the tokens
    that have a class (those without have target -100), the mean over sequences, like the loss against labels. The
    factor T² keeps the size of the gradient, which shrinks with 1 / T², comparable with that of the labels.
    """
    ours, theirs = ((outputs.float() / temperature).log_softmax(-1) for outputs in (student, teacher))
    each = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
    if each.ndim == 2 and targets.ndim == 2 and not targets.is_floating_point():
        each = torch.where(targets[:, : each.shape[1]] != NO_CLASS, each, 0.0)
    return temperature**2 * each.sum() / max(len(each), 1)


def pixels(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the same loss for each pixel: logits (N, C, H, W), targets uint8 (N, H, W).

    The mean over the pixels that count, like the loss against masks.
    """
    counted = targets.flatten() != NOTHING
    ours, theirs = (outputs.movedim(1, -1).reshape(-1, outputs.shape[1])[counted] for outputs in (student, teacher))
    return classes(ours, theirs, targets.flatten(), temperature)


def binary(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the same loss between yes and no, whose one logit (N,) or (N, 1) stands for the two logits 0 and z."""
    pairs = [F.pad(outputs.reshape(-1, 1), (1, 0)) for outputs in (student, teacher)]
    return classes(pairs[0], pairs[1], targets.flatten(), temperature)


def values(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the mean squared error against the teacher's numbers (N, …), 0-d; numbers have no temperature."""
    return F.mse_loss(student.float(), teacher.float().reshape(student.shape))


# What outputs mean, as tasks declare it.
LOSSES = {"classes": classes, "pixels": pixels, "binary": binary, "values": values}


class LogitsLoss(DistillationLoss):
    """(1 - share) · loss + share · soft loss (Hinton et al., 2015: Distilling the Knowledge in a Neural Network).

    Args:
        teacher, student, example, call: see `DistillationLoss`.
        share, temperature, outputs: see `LogitsLossSettings`, and for `outputs` `LOSSES`.

    Raises:
        RunnerError: settings out of range, or a teacher that does not suit the student.
    """

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        example: Any,
        *,
        call: ModelCall = call_model,
        share: float = 0.9,
        temperature: float = 2.0,
        outputs: str = "classes",
    ) -> None:
        super().__init__(teacher, student, example, call=call, outputs_count=share > 0)
        LogitsLossSettings(share, temperature, outputs)
        self.share, self.temperature, self.outputs = share, temperature, outputs

    def forward(self, inputs: Any, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """See `DistillationLoss.forward`; the teacher sees the same inputs, augmented or mixed as they are."""
        return self.mixed(self.ask(inputs, student_outputs), student_outputs, targets, loss)

    def mixed(self, teacher_outputs: Tensor, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """Return the task's own loss and the soft one by their shares, 0-d."""
        if self.share == 0:
            return loss
        soft = LOSSES[self.outputs](student_outputs, teacher_outputs, targets, self.temperature)
        return (1 - self.share) * loss + self.share * soft
