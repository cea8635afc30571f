"""Zeros that stay zero: pruned weights stay gone while the network trains on."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from runner.measure.parameter_counts import matrices

STEP = {"change": "zeros"}


def rebuild(network: nn.Module) -> nn.Module:
    """Return a copy: the zeros come with the weights."""
    return copy.deepcopy(network)


def kept_by(steps: Sequence[dict[str, Any]]) -> bool:
    """Return whether a network of this structure is one whose zeros must stay."""
    return any(step.get("change") == STEP["change"] for step in steps)


class KeptZeros:
    """The zeros of a network's weights, as they are now, and how to bring them back.

    Which weights are zero is written in the weights themselves, so nothing has to be kept beside them: training that
    is resumed from a checkpoint finds the same zeros, and so does a captured graph, whose parameters have other names.
    An optimizer moves them in every step: by momentum, by Adam's averages, by the gradient.
    """

    def __init__(self, network: nn.Module) -> None:
        zeros = [(each, each.detach() == 0) for each in matrices(network).values()]
        self.masks: list[tuple[Tensor, Tensor]] = [(each, mask) for each, mask in zeros if bool(mask.any())]

    def restore(self) -> None:
        """Set what was zero to zero again, in place."""
        with torch.no_grad():
            for parameter, mask in self.masks:
                parameter.masked_fill_(mask, 0)
