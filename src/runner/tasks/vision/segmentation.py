"""Segmentation: a class for every pixel, by cross-entropy and the overlap of regions."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics import Metric

from runner.data.images.geometry.affine import IGNORED
from runner.data.module import DataModule
from runner.tasks.base import Batch, Task
from runner.tasks.class_balance import LISTED
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.vision.overlap import confusion, iou, overlap_metrics

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure


class Segmentation(Task):
    """Segmentation: logits (N, num_classes, H, W), targets uint8 (N, H, W), 255 where no class counts.

    Logs `loss`, `mean_iou` (over the classes of the data set, those that don't occur left out), `dice`,
    `pixel_accuracy`, `mean_iou_per_image`, and of up to 20 classes `iou/NAME`.

    Args:
        dice_weight: how much the Dice loss counts beside the cross-entropy; it weighs small regions like large ones.
    """

    def __init__(self, *args: Any, num_classes: int, dice_weight: float = 1.0, **kwargs: Any) -> None:
        self.num_classes, self.dice_weight = num_classes, dice_weight
        super().__init__(*args, **kwargs)

    def describe(self, datamodule: DataModule) -> None:
        """Take over the names of the classes, which name their metrics."""
        super().describe(datamodule)
        self.use_metrics(self.make_metrics())

    @property
    def width(self) -> tuple[int, int]:
        """See Task.width."""
        return 1, self.num_classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of a pixel in nats, plus `dice_weight` times the Dice loss, from 0 to 1."""
        counted = targets != IGNORED
        classes = targets.long()
        pixels = F.cross_entropy(outputs, classes, ignore_index=IGNORED, reduction="sum") / counted.sum().clamp(min=1)
        if not self.dice_weight:
            return pixels
        return pixels + self.dice_weight * dice_loss(outputs, classes.masked_fill(~counted, 0), counted)

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the shares of right pixels, summed over the images."""
        counted = targets != IGNORED
        right = ((outputs.argmax(1) == targets) & counted).sum((1, 2))
        return (right / counted.sum((1, 2)).clamp(min=1)).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return the metrics of overlap."""
        return overlap_metrics(self.num_classes, self.class_names, LISTED)

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return predicted and true classes, both uint8 (N, H, W)."""
        return outputs.argmax(1).to(torch.uint8), targets

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `class` uint8 (N, H, W)."""
        return {"class": outputs.argmax(1).to(torch.uint8)}

    def pixel_scores(self, outputs: Tensor) -> Tensor:
        """Return the logits."""
        return outputs

    def with_targets(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return images under their masks."""
        from runner.tasks.figures import overlays

        return overlays.overlay(images, targets)

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return each class's share of the pixels by its name; with targets also the image's `mean_iou`."""
        predicted = outputs.argmax(1)
        names = self.class_names or [str(index) for index in range(self.num_classes)]
        shares = F.one_hot(predicted.flatten(1), self.num_classes).float().mean(1).tolist()
        rows: list[dict[str, Any]] = [dict(zip(names, each, strict=True)) for each in shares]
        if targets is None:
            return rows
        each_iou = iou(confusion(predicted, targets, self.num_classes)).nanmean(1).tolist()
        return [{"mean_iou": value, **row} for value, row in zip(each_iou, rows, strict=True)]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        own = type(self).rows is Segmentation.rows
        return {"kind": "regions", "names": self.names(self.num_classes)} if own else None

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return the confusion of pixels, predicted beside true masks, and the images with the lowest IoU."""
        from runner.tasks.figures import overlays, plots

        names = outputs.class_names or tuple(str(index) for index in range(self.num_classes))
        predicted, true = outputs.predictions["class"], outputs.targets
        counts = confusion(predicted, true, self.num_classes)
        drawn = {"confusion_matrix": plots.confusion_matrix(counts.sum(0), names)}
        images = outputs.images
        if images is None:
            return drawn
        worst = iou(counts[: len(images)]).nanmean(1).nan_to_num(2).argsort()[: overlays.SHOWN]
        for name, rows in {"samples": torch.arange(min(len(images), overlays.SHOWN)), "worst": worst}.items():
            drawn[name] = overlays.masks(images[rows], true[rows], predicted[rows], names)
        return drawn


def dice_loss(logits: Tensor, classes: Tensor, counted: Tensor) -> Tensor:
    """Return 1 - the mean Dice coefficient of the classes in a batch, with probabilities for regions, 0-d.

    `logits` are (N, num_classes, H, W), `classes` int64 (N, H, W), `counted` bool (N, H, W). Classes without a true
    pixel are left out.

    Source: Milletari et al., "V-Net", arXiv:1606.04797, with the sum of both regions as the denominator.
    """
    shares = logits.float().softmax(1) * counted[:, None]
    true = F.one_hot(classes, logits.shape[1]).movedim(3, 1) * counted[:, None]
    dims = (0, 2, 3)
    hits, sizes = (shares * true).sum(dims), (shares + true).sum(dims)
    there = true.sum(dims) > 0
    each = 1 - 2 * hits / sizes.clamp(min=1e-6)
    return (each * there).sum() / there.sum().clamp(min=1)
