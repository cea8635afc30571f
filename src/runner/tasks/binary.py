"""Binary classification: yes or no, by one logit."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, BinaryF1Score
from torchmetrics.utilities import dim_zero_cat

from runner.data.module import DataModule
from runner.tasks.base import Batch, Task
from runner.tasks.class_balance import Weights, check_weights
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

CURVE_POINTS = 200


class AUROC(BinaryAUROC):
    """Area under the ROC curve; NaN, not 0, where all targets are of one class."""

    def compute(self) -> Tensor:  # type: ignore[override]
        """Return the metric, 0-d."""
        targets = dim_zero_cat(self.target)
        return super().compute() if targets.min() < targets.max() else torch.tensor(torch.nan)


class BinaryClassification(Task):
    """Classification with two classes; outputs are logits (N,) or (N, 1), targets 0 and 1, (N,).

    Logs `loss`, `accuracy` (at probability 0.5), `auroc` and `f1` (of class 1); where the classes are unequal or have
    weights also `balanced_accuracy` and `recall/NAME`.

    Args:
        class_weights: see `Classification`; a list has the weights of class 0 and of class 1.
    """

    def __init__(self, *args: Any, class_weights: Weights = None, **kwargs: Any) -> None:
        check_weights(class_weights, 2)
        self.asked_weights = class_weights
        super().__init__(*args, **kwargs)

    def describe(self, datamodule: DataModule) -> None:
        """Take over what the data knows, the sizes of the classes too."""
        super().describe(datamodule)
        self.balance(datamodule, self.asked_weights, 2)

    @property
    def width(self) -> tuple[int, int]:
        """See Task.width."""
        return -1, 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean binary cross-entropy in nats."""
        logits, wanted = outputs.flatten(), targets.to(outputs.dtype).flatten()
        if not self.training or self.class_weights is None:
            return F.binary_cross_entropy_with_logits(logits, wanted)
        weights = self.class_weights.to(outputs.dtype)[(wanted > 0.5).long()]
        return (F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weights).sum() / weights.sum()

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of samples on the right side of probability 0.5."""
        return ((outputs.flatten() > 0) == (targets.flatten() > 0.5)).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return accuracy, AUROC, F1."""
        return {
            "accuracy": BinaryAccuracy(validate_args=False),
            "auroc": AUROC(validate_args=False),
            "f1": BinaryF1Score(validate_args=False),
        }

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return probabilities and 0/1 as int64."""
        return outputs.flatten().float().sigmoid(), targets.flatten().long()

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `class` int64 (N,) and `probability` float32 (N,), which is of class 1."""
        probability = outputs.flatten().float().sigmoid()
        return {"class": (probability > 0.5).long(), "probability": probability}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return `prediction` and `target` as class names (0 and 1 where there are none); `probability` of class 1."""
        names: tuple[str | int, ...] = self.class_names or (0, 1)
        predicted = self.predictions(outputs)
        pairs = zip(predicted["class"].tolist(), predicted["probability"].tolist(), strict=True)
        rows = [{"prediction": names[index], "probability": value} for index, value in pairs]
        if targets is None:
            return rows
        true = targets.flatten().long().tolist()
        return [{"target": names[index], **row} for index, row in zip(true, rows, strict=True)]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        return {"kind": "binary", "names": self.names(2)} if type(self).rows is BinaryClassification.rows else None

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return the confusion matrix; of images samples, right and wrong; of one feature the probability curve."""
        from runner.tasks.figures import plots

        names = outputs.class_names or ("0", "1")
        true, predicted = outputs.targets.flatten().long(), outputs.predictions["class"]
        drawn = {"confusion_matrix": plots.confusion_matrix(plots.confusion_counts(true, predicted, 2), names)}
        if outputs.has_one_feature:
            x, points = outputs.grid(CURVE_POINTS), outputs.original(outputs.inputs)
            curve = self.predictions(self(x.to(self.device)))["probability"].cpu()
            drawn["probability_curve"] = plots.probability_curve(
                outputs.original(x).flatten(), curve, points.flatten(), true[: len(points)], names
            )
        return drawn | plots.right_and_wrong(outputs.images, true, predicted, names)
