"""InstancesDataModule: images with a box around each object, and the object that each pixel belongs to."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from runner.data.images.annotated.given import as_given
from runner.data.images.detection.detection import DetectionDataModule
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.image import ImageDataModule
from runner.data.module import Batch, Samples
from runner.errors import RunnerError

# From where on a pixel is an object's.
INSIDE = 0.5
# Samples that are looked at together for an object.
LOOKED_AT = 64


class InstancesDataModule(DetectionDataModule):
    """Raw inputs are uint8 (N, C, H, W), targets a dict of `boxes` and `objects`.

    `boxes` float32 (N, most, 5) are class, x1, y1, x2, y2 around the pixels of each object that can be seen, class -1
    being padding; `objects` uint8 (N, H, W) are 1 + the row of the box that a pixel belongs to, 0 where there is none.
    So a pixel belongs to one object, the one in front. The augmentation moves both, and boxes are drawn anew around
    what the pixels have become.
    """

    kind: ClassVar[str] = "instances"

    def fit_transform(self, training: Samples) -> None:
        """Compute nothing; see that there is something to find, and that objects stay what they are.

        Raises:
            RunnerError: no training image has an object, or the augmentation puts images together.
        """
        ImageDataModule.fit_transform(self, training)
        targets: Any = training.row_targets
        parts = training.indices.split(LOOKED_AT)
        if not any(bool((targets[part]["boxes"][..., 0] >= 0).any()) for part in parts):
            raise RunnerError("No training image has an object: there is nothing to learn. Look at the labels.")
        if getattr(self.augmentation, "mosaic", 0):
            raise RunnerError("augmentation.mosaic numbers objects anew, which their pixels can't follow. Set it to 0.")

    def objects_as_given(self, path: Path, masks: Tensor) -> np.ndarray:
        """Return 1 + the number of the object at every pixel of the picture at `path`, uint8 (height, width).

        `masks` float (n, size, size) from 0 to 1 are of its square, the best first; 255 is what the square left out.
        """
        place = placement(*size_as_seen(path), self.image_size, self.appearance.fit)
        if not len(masks):
            masks = masks.new_zeros(1, self.image_size, self.image_size)
        return as_given(place, masks, in_front)

    def training_batch(self, batch: Batch) -> Batch:
        """Return the batch as the network gets it, with boxes around the pixels that were moved."""
        inputs, targets = super().training_batch(batch)
        return inputs, {**targets, "boxes": around(targets["objects"], targets["boxes"])}


def in_front(masks: Tensor) -> Tensor:
    """Return 1 + the first of masks float (n, H, W) that has a pixel, 0 where none has: uint8 (H, W)."""
    there = masks > INSIDE
    return torch.where(there.any(0), 1 + there.int().argmax(0), 0).to(torch.uint8)


def around(objects: Tensor, boxes: Tensor) -> Tensor:
    """Return boxes float (N, most, 5) with the corners of what `objects` uint8 (N, H, W) show of each.

    Of what has no pixel nothing remains but padding: class -1 and zeros.
    """
    rows = torch.arange(1, boxes.shape[1] + 1, device=objects.device, dtype=objects.dtype)
    pixels = objects[:, None] == rows[:, None, None]
    sides = []
    for occupied in (pixels.any(2), pixels.any(3)):  # columns, then rows
        first, last = occupied.int().argmax(2), occupied.shape[2] - occupied.flip(2).int().argmax(2)
        sides.append((first, last))
    (x1, x2), (y1, y2) = sides
    found = torch.stack([boxes[..., 0], *(each.to(boxes.dtype) for each in (x1, y1, x2, y2))], 2)
    there = (boxes[..., 0] >= 0) & pixels.flatten(2).any(2)
    return torch.where(there[..., None], found, boxes.new_tensor([-1.0, 0, 0, 0, 0]))
