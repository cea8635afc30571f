"""SegmentationDataModule: images with a mask of classes each, one pixel for every pixel."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from runner.data.images.geometry.affine import IGNORED
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.image import ImageDataModule

# Lines of a picture that get their classes at once: bounds the memory.
BAND = 256


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
        xs, ys = (torch.from_numpy(each).float() for each in (place.targets(0), place.targets(1)))
        found = np.full((place.height, place.width), IGNORED, dtype=np.uint8)
        inside_x, inside_y = ((each >= 0) & (each < place.size) for each in (xs, ys))
        columns = inside_x.nonzero().flatten()
        for rows in inside_y.nonzero().flatten().split(BAND):
            grid = torch.stack(torch.meshgrid(xs[columns], ys[rows], indexing="xy"), -1) * (2 / place.size) - 1
            values = grid_sample(scores.float()[None], grid[None], padding_mode="border", align_corners=False)
            found[rows[:, None], columns] = values[0].argmax(0).to(torch.uint8).numpy()
        return found
