"""TabularDataModule: rows of numbers, standardized by the training split."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from runner.data.module import DataModule, Samples
from runner.data.standardize import Standardizer
from runner.errors import RunnerError


class TabularDataModule(DataModule):
    """Raw inputs are float32 (N, F); the network gets `(x - mean) / std`, over the training split's columns.

    With `standardize=false` the inputs go in as they are. Constant columns are only centred.
    """

    kind: ClassVar[str] = "tabular"

    def __init__(
        self,
        *,
        num_classes: int | None = None,
        standardize: bool = True,
        **splitting: Any,
    ) -> None:
        super().__init__(**splitting)
        self.num_classes, self.standardize = num_classes, standardize
        self.standardisation = Standardizer([0.0], [1.0])

    def fit_transform(self, training: Samples) -> None:
        """Compute the mean and standard deviation of the training split's columns, in float64."""
        if not self.standardize:
            return
        inputs = training.inputs.to(torch.float64)
        # Rounding in the mean gives a constant column a tiny standard deviation, so it is told by its extremes.
        constant = inputs.amin(dim=0) == inputs.amax(dim=0)
        std = inputs.std(dim=0, unbiased=False).masked_fill(constant, 1.0)
        self.standardisation = Standardizer(inputs.mean(dim=0).tolist(), std.tolist())

    def scale(self) -> Standardizer:
        """Return the standardisation."""
        return self.standardisation

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert float32 (N, F) to standardized float32 (N, F)."""
        return self.standardisation.apply(inputs)

    def state_dict(self) -> dict[str, Any]:
        """Return class names and standardisation."""
        return {**super().state_dict(), "mean": self.standardisation.mean, "std": self.standardisation.std}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self.standardisation = Standardizer(state_dict["mean"], state_dict["std"])


def class_targets(indices: Tensor, target_kind: str, num_classes: int) -> Tensor:
    """Convert class indices int64 (N,) to the task's targets: int64 (N,), or float32 (N,) of 0 and 1 for binary.

    Raises:
        RunnerError: binary classification of other than two classes, or a kind that has no classes.
    """
    if target_kind == "classification":
        return indices
    if target_kind == "binary_classification":
        if num_classes != 2:
            raise RunnerError(
                f"task=binary_classification needs two classes; the data has {num_classes}. Use task=classification."
            )
        return indices.to(torch.float32)
    raise RunnerError(f"Classes don't suit task={target_kind}. Use task=classification.")
