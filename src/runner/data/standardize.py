"""Standardizer: subtract a mean, divide by a standard deviation, and back."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Standardizer:
    """`(x - mean) / std` with one pair of constants per column, or per channel of images.

    `trailing` is the number of dimensions behind the one that the constants belong to: 0 for (N, F), 2 for
    (N, C, H, W). The constants are moved to a device once: moving them with each batch would stall a GPU.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], trailing: int = 0) -> None:
        self.mean, self.std = [float(value) for value in mean], [float(value) for value in std]
        self.trailing = trailing
        self._on_device: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def apply(self, values: Tensor) -> Tensor:
        """Convert float32 in original units to a new, standardized tensor."""
        mean, std = self._constants(values.device)
        return (values - mean).div_(std)

    def undo(self, values: Tensor) -> Tensor:
        """Convert standardized float32 to a new tensor in original units."""
        mean, std = self._constants(values.device)
        return torch.addcmul(mean, values, std)

    def _constants(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._on_device:
            pair = torch.tensor([self.mean, self.std], device=device)
            self._on_device[device] = tuple(pair.reshape(2, -1, *[1] * self.trailing).unbind())  # type: ignore[assignment]
        return self._on_device[device]
