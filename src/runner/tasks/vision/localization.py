"""Localization: one object for each image, found by a single vector of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torchmetrics import Metric

from runner.measure.boxes import area, iou, to_centres, to_corners
from runner.tasks.vision.detection import Detection

# Numbers before those of the classes: the logit of an object, and its box.
BOX = slice(1, 5)
CLASSES = 5


@dataclass(frozen=True)
class LocalizationWeights:
    """How much each part of the loss counts: logistic, squared, cross-entropy, squared."""

    object: float = 1.0
    box: float = 20.0
    classes: float = 1.0
    landmarks: float = 20.0


class Localization(Detection):
    """Localization: answers (N, 5 + num_classes + 2 * landmarks), see `Localizer`; targets as of detection.

    Of several objects in an image the largest is meant. Targets (N, most, 5 + 2 * landmarks) may hold x and y of
    landmarks in pixels behind the corners.

    Logs `loss`, `mean_iou` (of the box with the object, over the images that have one), and the average precision of
    detection.

    Args:
        image_size: side of the images in pixels, of which boxes are shares.
        landmarks: of an object.
        weights: see `LocalizationWeights`.
    """

    def __init__(
        self,
        *args: Any,
        image_size: int,
        landmarks: int = 0,
        weights: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        self.image_size, self.landmarks = image_size, landmarks
        super().__init__(*args, **kwargs)
        self.parts = LocalizationWeights(**(weights or {}))

    def training_loss(self, inputs: Any, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss."""
        return self.loss(outputs, targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        """Return the mean loss of an image; only its first part counts where there is no object."""
        wanted = largest(targets)
        there, count = wanted[:, 0] >= 0, len(wanted)
        total = self.parts.object * F.binary_cross_entropy_with_logits(outputs[:, 0], there.to(outputs.dtype))
        found, wanted = outputs[there].float(), wanted[there]
        boxes, marks = to_centres(wanted[:, 1:5]) / self.image_size, wanted[:, 5:] / self.image_size
        end = CLASSES + self.num_classes
        total = total + self.parts.box * F.mse_loss(found[:, BOX], boxes, reduction="sum") / count
        classes = F.cross_entropy(found[:, CLASSES:end], wanted[:, 0].long(), reduction="sum")
        total = total + self.parts.classes * classes / count
        if self.landmarks:
            total = total + self.parts.landmarks * F.mse_loss(found[:, end:], marks, reduction="sum") / count
        return total

    def make_metrics(self) -> dict[str, Metric]:
        """Return the mean IoU, and those of detection."""
        return {"mean_iou": ObjectOverlap(), **super().make_metrics()}

    def detections(self, outputs: Tensor, least: float) -> Tensor:  # type: ignore[override]
        """Return the one detection of each image, float32 (N, 1, 6), see `Detection.detections`."""
        return super().detections(outputs if outputs.dim() == 3 else self.decoder(outputs)(outputs), least)

    def decoder(self, outputs: Tensor) -> nn.Module:  # type: ignore[override]
        """Return what makes a detection of the numbers of each image."""
        return ObjectDecoder(self.image_size, self.num_classes, self.score)

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return `boxes` float32 (N, 1, 6), and `landmarks` (N, landmarks, 2) in pixels where there are some."""
        found = {"boxes": self.detections(outputs, self.score)}
        if self.landmarks and outputs.dim() == 2:
            marks = outputs[:, CLASSES + self.num_classes :]
            found["landmarks"] = marks.unflatten(1, (self.landmarks, 2)) * self.image_size
        return found


class ObjectDecoder(nn.Module):
    """Numbers (N, 5 + num_classes + …) to detections float32 (N, 1, 6): corners, score, class; nothing is left out."""

    def __init__(self, image_size: int, num_classes: int, least: float) -> None:
        super().__init__()
        self.image_size, self.num_classes, self.least = image_size, num_classes, least

    def forward(self, outputs: Tensor) -> Tensor:
        """Return the detections."""
        outputs = outputs.float()
        share, label = outputs[:, CLASSES : CLASSES + self.num_classes].softmax(1).max(1)
        corners = to_corners(outputs[:, BOX]) * self.image_size
        score = outputs[:, 0].sigmoid() * share
        return torch.cat([corners, score[:, None], label[:, None].float()], dim=1)[:, None]


def largest(targets: Tensor) -> Tensor:
    """Return the largest object of each image, (N, 5 + …) of targets (N, most, 5 + …); class -1 where there is none."""
    sizes = torch.where(targets[..., 0] >= 0, area(targets[..., 1:5]), -1.0)
    return targets[torch.arange(len(targets), device=targets.device), sizes.argmax(1)]


class ObjectOverlap(Metric):
    """Mean IoU of the one detection (N, 1, 6) with the object of an image (N, most, 5), over images that have one."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, found: Tensor, targets: Tensor) -> None:
        """Add images."""
        wanted = largest(targets)
        there = wanted[:, 0] >= 0
        self.total += iou(found[there, 0, :4], wanted[there, 1:5]).sum()
        self.count += there.sum()

    def compute(self) -> Tensor:
        """Return the mean, 0-d; NaN where no image has an object."""
        return self.total / self.count
