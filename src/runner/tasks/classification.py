"""Classification: one of several classes, by cross-entropy."""

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from runner.data.module import DataModule
from runner.tasks.base import Batch, Task
from runner.tasks.class_balance import Weights, check_weights
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

# With fewer classes than this, being among the best five says little.
CLASSES_FOR_TOP5 = 20


class Classification(Task):
    """Classification: logits (N, num_classes), targets int64 (N,), or float (N, num_classes) from mixup or cutmix.

    Logs `loss`, `accuracy`, `f1` (mean over classes) and, from 20 classes on, `top5_accuracy`. Where the largest class
    has half as many training samples again as the smallest, or classes have weights, also `balanced_accuracy` and, of
    up to 20 classes, `recall/NAME`.

    Args:
        label_smoothing: share of each training target spread over all classes (Szegedy et al. 2016, section 7);
            evaluation never smooths.
        class_weights: how much a training sample of each class counts: `balanced`, a number for each, or some by name;
            the loss of a batch is their weighted mean. Evaluation never weighs.
    """

    def __init__(
        self,
        *args: Any,
        num_classes: int,
        label_smoothing: float = 0.0,
        class_weights: Weights = None,
        **kwargs: Any,
    ) -> None:
        check_weights(class_weights, num_classes)
        self.num_classes, self.label_smoothing, self.asked_weights = num_classes, label_smoothing, class_weights
        super().__init__(*args, **kwargs)

    def describe(self, datamodule: DataModule) -> None:
        """Take over what the data knows, the sizes of the classes too."""
        super().describe(datamodule)
        self.balance(datamodule, self.asked_weights, self.num_classes)

    @property
    def width(self) -> tuple[int, int]:
        """See Task.width."""
        return 1, self.num_classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats."""
        if not self.training:
            return F.cross_entropy(outputs, targets)
        weights = None if self.class_weights is None else self.class_weights.to(outputs.dtype)
        return F.cross_entropy(outputs, targets, weight=weights, label_smoothing=self.label_smoothing)

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of samples whose (largest) class is predicted."""
        return (outputs.argmax(1) == classes(targets)).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return accuracy over samples, F1 as the mean over classes, top-5 accuracy where it says something."""
        quick: dict[str, Any] = {"num_classes": self.num_classes, "validate_args": False}
        metrics: dict[str, Metric] = {
            "accuracy": MulticlassAccuracy(average="micro", **quick),
            "f1": MulticlassF1Score(average="macro", **quick),
        }
        if self.num_classes >= CLASSES_FOR_TOP5:
            metrics["top5_accuracy"] = MulticlassAccuracy(average="micro", top_k=5, **quick)
        return metrics

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return logits and class indices."""
        return outputs, classes(targets)

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `class` int64 (N,), its `probability` float32 (N,), and `probabilities` float32 (N, num_classes)."""
        probabilities = outputs.float().softmax(1)
        best = probabilities.max(1)
        return {"class": best.indices, "probability": best.values, "probabilities": probabilities}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return `prediction` and `target` as class names (indices where there are no names), `probability`."""
        predicted = self.predictions(outputs)
        pairs = zip(predicted["class"].tolist(), predicted["probability"].tolist(), strict=True)
        rows = [{"prediction": self.name_of(index), "probability": value} for index, value in pairs]
        if targets is None:
            return rows
        true = classes(targets).tolist()
        return [{"target": self.name_of(index), **row} for index, row in zip(true, rows, strict=True)]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        own = type(self).rows is Classification.rows
        return {"kind": "classes", "names": self.names(self.num_classes)} if own else None

    def name_of(self, index: int) -> str | int:
        """Return the class's name, or its index."""
        return self.class_names[index] if self.class_names else index

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return the confusion matrix and the accuracy of each class; of images also samples, right and wrong."""
        from runner.tasks.figures import plots

        names = outputs.class_names or tuple(str(index) for index in range(self.num_classes))
        true, predicted = classes(outputs.targets), outputs.predictions["class"]
        counts = plots.confusion_counts(true, predicted, len(names))
        drawn = {
            "confusion_matrix": plots.confusion_matrix(counts, names),
            "per_class_accuracy": plots.per_class_accuracy(counts, names),
        }
        return drawn | plots.right_and_wrong(outputs.images, true, predicted, names)


def classes(targets: Tensor) -> Tensor:
    """Return class indices int64 (N,) from indices, or from shares (N, num_classes)."""
    return targets.argmax(1) if targets.ndim == 2 else targets
