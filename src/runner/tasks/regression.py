"""Regression: numbers, by mean squared error."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score

from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.tasks.base import Batch, Task
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

CURVE_POINTS = 200


class R2(R2Score):
    """Coefficient of determination; NaN, not an error, for fewer than two samples."""

    def compute(self) -> Tensor:
        """Return the metric, 0-d."""
        return super().compute() if self.total >= 2 else torch.tensor(torch.nan)


class Regression(Task):
    """Regression; outputs and targets are float (N, num_targets), targets in their original units.

    Logs `loss` (on standardized targets where they are standardized) and, in original units, `mse`, `rmse`, `mae`;
    `r2` is the plain mean over targets.

    Args:
        num_targets: numbers predicted for each sample.
        standardize_targets: train on `(target - mean) / std` of the training split, kept with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *args: Any, num_targets: int = 1, standardize_targets: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.standardize_targets = standardize_targets
        self.register_buffer("mean", torch.zeros(num_targets))
        self.register_buffer("std", torch.ones(num_targets))

    def describe(self, datamodule: DataModule) -> None:
        """Take over mean and standard deviation of the training targets, where data is there and they are wanted."""
        super().describe(datamodule)
        if not self.standardize_targets or "train" not in datamodule.splits:
            return
        targets = datamodule.splits["train"].targets.reshape(-1, len(self.mean)).to(torch.float64)
        std = targets.std(dim=0, unbiased=False)
        self.mean.copy_(targets.mean(dim=0))
        self.std.copy_(torch.where(std > 0, std, 1.0))

    @property
    def width(self) -> tuple[int, int]:
        """See Task.width."""
        return -1, len(self.mean)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error of outputs against (standardized) targets."""
        return F.mse_loss(outputs, self.standardize(outputs, targets))

    def standardize(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return targets in the outputs' shape, type and scale; raises RunnerError where they are not equally many."""
        if outputs.numel() != targets.numel():
            raise RunnerError(
                f"The network gives {tuple(outputs.shape)} for targets {tuple(targets.shape)}: "
                "its number of outputs must be the data's number of targets (data.num_targets)."
            )
        scaled = (targets.reshape(-1, len(self.mean)) - self.mean) / self.std
        return scaled.reshape(outputs.shape).to(outputs.dtype)

    def make_metrics(self) -> dict[str, Metric]:
        """Return MSE, RMSE, MAE, R²."""
        return {
            "mse": MeanSquaredError(),
            "rmse": MeanSquaredError(squared=False),
            "mae": MeanAbsoluteError(),
            "r2": R2(),
        }

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return predicted and true values in original units, flat where there is one target."""
        value = self.predictions(outputs)["value"]
        return value.squeeze(1), targets.reshape(value.shape).float().squeeze(1)

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `value` float32 (N, num_targets) in original units."""
        std, mean = self.std.to(outputs.device), self.mean.to(outputs.device)
        return {"value": outputs.reshape(-1, len(mean)).float() * std + mean}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return `prediction` and `target` in original units; numbered (`prediction_0`, …) where there are several."""
        value = self.predictions(outputs)["value"]
        columns = (
            {"prediction": value} if targets is None else {"target": targets.reshape(value.shape), "prediction": value}
        )
        single = value.shape[1] == 1
        return [
            {
                name if single else f"{name}_{j}": float(column[i, j])
                for name, column in columns.items()
                for j in range(value.shape[1])
            }
            for i in range(len(value))
        ]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        own = type(self).rows is Regression.rows and type(self).predictions is Regression.predictions
        return {"kind": "values", "mean": self.mean.tolist(), "std": self.std.tolist()} if own else None

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return predicted over true values; of one feature also the fitted line."""
        from runner.tasks.figures import plots

        value = outputs.predictions["value"]
        true = outputs.targets.reshape(value.shape)
        drawn = {"scatter": plots.regression_scatter(true.flatten(), value.flatten())}
        if outputs.has_one_feature and value.shape[1] == 1:
            x, points = outputs.grid(CURVE_POINTS), outputs.original(outputs.inputs)
            line = self.predictions(self(x.to(self.device)))["value"].cpu()
            drawn["fit"] = plots.fitted_line(
                outputs.original(x).flatten(), line.flatten(), points.flatten(), true[: len(points)].flatten()
            )
        return drawn
