"""SegmentationDataModule: images with a mask of classes each, one pixel for every pixel."""

from typing import ClassVar

from runner.data.images.image import ImageDataModule


class SegmentationDataModule(ImageDataModule):
    """Raw inputs are uint8 (N, C, H, W), targets uint8 (N, H, W): a class for each pixel, 255 where none counts.

    The network gets float32 (N, C, H, W), normalised as in `ImageDataModule`; the augmentation moves masks along.
    """

    kind: ClassVar[str] = "segmentation"
