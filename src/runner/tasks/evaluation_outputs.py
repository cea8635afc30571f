"""EvaluationOutputs: what an evaluation leaves behind for its pictures."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from runner.measure.nested import Nested


@dataclass(frozen=True)
class EvaluationOutputs:
    """An evaluated split, on the CPU.

    Attributes:
        inputs: network inputs (n, …) of the first samples; only as many as pictures need.
        targets: targets (N, …) of all samples: a tensor, or a tuple or dict of tensors.
        predictions: what `Task.predictions` gave for all samples, tensors (N, …).
        mean, std: normalisation per column or channel; empty where the inputs are as the user knows them.
        class_names: names by class index, where the data has them.
        samples: where inputs are no tensor, those of the first batch; `inputs` is then empty.
    """

    inputs: Tensor
    targets: Nested
    predictions: dict[str, Tensor]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    class_names: tuple[str, ...] | None = None
    samples: Any = None

    @property
    def images(self) -> Tensor | None:
        """Inputs as images (n, 1 or 3, height, width) from 0 to 1, or None where they are none."""
        if self.inputs.ndim != 4 or self.inputs.shape[1] not in (1, 3):
            return None
        return self.original(self.inputs).clamp(0, 1)

    @property
    def has_one_feature(self) -> bool:
        """True where inputs are (n, 1)."""
        return self.inputs.ndim == 2 and self.inputs.shape[1] == 1

    def original(self, inputs: Tensor) -> Tensor:
        """Return network inputs (n, …) in the user's units: columns unstandardized, images from 0 to 1."""
        if not self.mean or len(self.mean) != inputs.shape[1]:
            return inputs
        shape = (1, -1, *[1] * (inputs.ndim - 2))
        return inputs * torch.tensor(self.std).view(shape) + torch.tensor(self.mean).view(shape)

    def grid(self, count: int) -> Tensor:
        """Return evenly spaced network inputs (count, 1), a little beyond the samples on either side."""
        low, high = float(self.inputs.min()), float(self.inputs.max())
        margin = 0.25 * (high - low) or 1.0
        return torch.linspace(low - margin, high + margin, count)[:, None]
