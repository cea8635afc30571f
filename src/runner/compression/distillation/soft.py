"""Soft losses: how far a student's outputs are from its teacher's, by what the outputs mean."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# A token without a class, as torch's cross-entropy has it.
NO_CLASS = -100


def classes(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """T² KL(softmax(teacher / T) ‖ softmax(student / T)) in nats, 0-d (Hinton et al., 2015, section 2).

    Logits (N, C): the mean over samples. Logits (N, T, C) with targets int64 (N, T or more): summed over the tokens
    that have a class (those without have target -100), the mean over sequences, like the loss against labels. The
    factor T² keeps the size of the gradient, which shrinks with 1 / T², comparable with that of the labels.
    """
    ours, theirs = ((outputs.float() / temperature).log_softmax(-1) for outputs in (student, teacher))
    each = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
    if each.ndim == 2 and targets.ndim == 2 and not targets.is_floating_point():
        each = torch.where(targets[:, : each.shape[1]] != NO_CLASS, each, 0.0)
    return temperature**2 * each.sum() / max(len(each), 1)


def binary(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """The same between yes and no, whose one logit (N,) or (N, 1) stands for the two logits 0 and z."""
    pairs = [F.pad(outputs.reshape(-1, 1), (1, 0)) for outputs in (student, teacher)]
    return classes(pairs[0], pairs[1], targets.flatten(), temperature)


def values(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """The mean squared error against the teacher's numbers (N, …), 0-d; numbers have no temperature."""
    return F.mse_loss(student.float(), teacher.float().reshape(student.shape))


# What outputs mean, as tasks declare it.
LOSSES = {"classes": classes, "binary": binary, "values": values}
