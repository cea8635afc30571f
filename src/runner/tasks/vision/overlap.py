"""Metrics of masks: how far predicted and true regions overlap, over all pixels or image by image."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from runner.data.images.geometry.affine import IGNORED


def confusion(predicted: Tensor, true: Tensor, num_classes: int) -> Tensor:
    """Return int64 (N, num_classes, num_classes): pixels of true class [row] taken for class [column], image by image.

    Both are uint8 (N, H, W).
    """
    counted = true != IGNORED
    image = torch.arange(len(true), device=true.device)[:, None, None] * num_classes**2
    cells = (image + true.long() * num_classes + predicted.long())[counted]
    return torch.bincount(cells, minlength=len(true) * num_classes**2).view(-1, num_classes, num_classes)


def iou(counts: Tensor) -> Tensor:
    """Return intersection over union of every class (…, num_classes); NaN for one that is neither true nor predicted.

    `counts` is (…, num_classes, num_classes), see `confusion`.
    """
    hits = counts.diagonal(dim1=-2, dim2=-1)
    return hits / (counts.sum(-1) + counts.sum(-2) - hits)


def dice(counts: Tensor) -> Tensor:
    """Return the Dice coefficient of every class (…, num_classes), twice the hits over both regions' sizes."""
    hits = counts.diagonal(dim1=-2, dim2=-1)
    return 2 * hits / (counts.sum(-1) + counts.sum(-2))


class Overlap(Metric):
    """A figure of the confusion of all pixels of a data set; takes classes uint8 (N, H, W), predicted and true.

    Args:
        figure: `mean_iou` and `dice`, means over the classes that occur; `pixel_accuracy`; `iou`, of class `index`;
            `mean_iou_per_image`, the mean over images of each one's own mean IoU, which weighs small images and small
            regions more and is not what papers call mIoU.
    """

    full_state_update = False
    counts: Tensor
    per_image: Tensor
    images: Tensor

    def __init__(self, figure: str, num_classes: int, index: int = 0) -> None:
        super().__init__()
        self.figure, self.num_classes, self.index = figure, num_classes, index
        self.add_state("counts", torch.zeros(num_classes, num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("per_image", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Count the pixels."""
        counts = confusion(predicted, true, self.num_classes)
        self.counts += counts.sum(0)
        each = iou(counts).nanmean(1)  # NaN where an image has ignored pixels only
        self.per_image += each.nansum()
        self.images += (~each.isnan()).sum()

    def compute(self) -> Tensor:
        """Return the figure, 0-d; NaN where nothing that counts was seen."""
        if self.figure == "mean_iou_per_image":
            return self.per_image / self.images
        if self.figure == "pixel_accuracy":
            return self.counts.trace() / self.counts.sum()
        each = dice(self.counts) if self.figure == "dice" else iou(self.counts)
        return each[self.index] if self.figure == "iou" else each.nanmean()


def overlap_metrics(num_classes: int, names: Sequence[str] | None, listed: int) -> dict[str, Metric]:
    """Return all figures by name; `iou/NAME` of every class where there are at most `listed`."""
    figures = ("mean_iou", "dice", "pixel_accuracy", "mean_iou_per_image")
    metrics: dict[str, Metric] = {figure: Overlap(figure, num_classes) for figure in figures}
    if num_classes <= listed:
        labels = names or [str(index) for index in range(num_classes)]
        metrics |= {f"iou/{label}": Overlap("iou", num_classes, index) for index, label in enumerate(labels)}
    return metrics
