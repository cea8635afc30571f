"""Zeros that belong to the network: shapes stay, and every later training keeps the zeros of its weights."""

import copy
from collections.abc import Sequence
from typing import Any

from torch import nn

STEP = {"change": "zeros"}


def rebuild(network: nn.Module) -> nn.Module:
    """A copy: the zeros come with the weights."""
    return copy.deepcopy(network)


def kept_by(steps: Sequence[dict[str, Any]]) -> bool:
    """Whether a network of this structure is one whose zeros must stay."""
    return any(step.get("change") == STEP["change"] for step in steps)
