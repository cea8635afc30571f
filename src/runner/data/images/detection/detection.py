"""DetectionDataModule: images with a box around each object."""

from typing import ClassVar

import torch

from runner.data.images.image import ImageDataModule
from runner.data.module import Samples
from runner.errors import RunnerError


class DetectionDataModule(ImageDataModule):
    """Raw inputs are uint8 (N, C, H, W), targets float32 (N, most, 5): class, x1, y1, x2, y2; class -1 is padding.

    Corners are pixels from the left upper corner; the far corner of an image is (width, height). The network gets
    float32 (N, C, H, W), normalised as in `ImageDataModule`; the augmentation moves boxes along.
    """

    kind: ClassVar[str] = "detection"

    def fit_transform(self, training: Samples) -> None:
        """Compute nothing; see that there is something to find.

        Raises:
            RunnerError: no training image has an object.
        """
        super().fit_transform(training)
        if not bool((torch.as_tensor(training.targets)[:, :, 0] >= 0).any()):
            raise RunnerError("No training image has an object: there is nothing to learn. Look at the labels.")
