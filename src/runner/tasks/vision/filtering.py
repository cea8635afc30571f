"""Filtering: a filter is learned back from what it answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics import MeanSquaredError, Metric

from runner.data.images.filtering.edges import EdgePatches
from runner.data.module import DataModule
from runner.measure.filters import EDGES, correlate
from runner.tasks.base import Batch, Task
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure


class Filtering(Task):
    """Filtering: outputs and targets are responses float (N, 1, H, W).

    Logs `loss` (mean squared error), `rmse` and `kernel_error`, the largest difference of a learned number from the
    true filter's; NaN where the network has other numbers than these.
    """

    kernel: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("kernel", torch.zeros(3, 3))

    def describe(self, datamodule: DataModule) -> None:
        """Take over the filter that made the targets."""
        super().describe(datamodule)
        assert isinstance(datamodule, EdgePatches)
        self.kernel.copy_(datamodule.kernel)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error."""
        return F.mse_loss(outputs, targets)

    def learned(self) -> Tensor | None:
        """Return the network's numbers (3, 3), None where it has others as well."""
        weights = list(self.network.parameters())
        alone = len(weights) == 1 and weights[0].shape[2:] == self.kernel.shape
        return weights[0].detach()[0, 0] if alone else None

    def make_metrics(self) -> dict[str, Metric]:
        """Return the metrics."""
        return {"rmse": MeanSquaredError(squared=False), "kernel_error": KernelError(self.kernel_error)}

    def kernel_error(self) -> Tensor:
        """Return the largest difference of a learned number, 0-d."""
        learned = self.learned()
        return torch.tensor(torch.nan) if learned is None else (learned - self.kernel).abs().max()

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return both, flat."""
        return outputs.flatten(), targets.flatten()

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `response` float32 (N, 1, H, W)."""
        return {"response": outputs.float()}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return the extremes of each response; with targets also its `rmse`."""
        rows: list[dict[str, Any]] = [{"lowest": float(each.min()), "highest": float(each.max())} for each in outputs]
        if targets is None:
            return rows
        errors = (outputs - targets).square().mean((1, 2, 3)).sqrt().tolist()
        return [{"rmse": error, **row} for error, row in zip(errors, rows, strict=True)]

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return the image with most edges as all fixed filters see it, and learned beside true numbers."""
        from runner.tasks.figures import filters

        most = int(outputs.predictions["response"][: len(outputs.inputs)].std((1, 2, 3)).argmax())
        image = outputs.inputs[most]
        found = {name: correlate(image[None], each[None, None])[0, 0] for name, each in EDGES.items()}
        learned = self.learned()
        drawn = {"edges": filters.responses(image[0], {**found, "learned": outputs.predictions["response"][most, 0]})}
        return (
            drawn
            if learned is None
            else drawn | {"kernels": filters.kernels({"true": self.kernel.cpu(), "learned": learned.cpu()})}
        )


class KernelError(Metric):
    """What `error` returns, whatever was seen."""

    full_state_update = False

    def __init__(self, error: Callable[[], Tensor]) -> None:
        super().__init__()
        self.error = error

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Count nothing."""

    def compute(self) -> Tensor:
        """Return it."""
        return self.error()
