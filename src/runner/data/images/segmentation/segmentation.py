"""SegmentationDataModule: images with a mask of classes each, one pixel for every pixel."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from runner.data.images.annotated.given import as_given
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.image import ImageDataModule


class SegmentationDataModule(ImageDataModule):
    """Raw inputs are uint8 (N, C, H, W), targets uint8 (N, H, W): a class for each pixel, 255 where none counts.

    The network gets float32 (N, C, H, W), normalised as in `ImageDataModule`; the augmentation moves masks along.
    """

    kind: ClassVar[str] = "segmentation"

    def categories(self) -> dict[int, str]:
        """Return the name of each class by its number."""
        return dict(enumerate(self.class_names or ()))

    def mask_as_given(self, path: Path, scores: Tensor) -> np.ndarray:
        """Return the class of every pixel of the picture at `path`, uint8 (height, width), as a person sees it.

        `scores` float (C, size, size) are of its square; between pixels they are interpolated. What the square had no
        room for is `IGNORED`.
        """
        place = placement(*size_as_seen(path), self.image_size, self.appearance.fit)
        return as_given(place, scores, lambda each: each.argmax(0))
