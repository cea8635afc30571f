"""ShapesMasks: generated pictures of shapes, with the class of every pixel."""

from typing import Any

from runner.data.images.segmentation.segmentation import SegmentationDataModule
from runner.data.images.shapes.drawing import SHAPES, draw
from runner.data.module import Source


class ShapesMasks(SegmentationDataModule):
    """Up to `most` circles, squares and triangles on uneven ground; class 0 is the ground.

    Args:
        samples: how many pictures, all splits together.
        noise: standard deviation of what is added to every pixel, of 255.
        seed: decides the pictures, whatever the seed of the training.
    """

    def __init__(self, *, samples: int, most: int, noise: float, seed: int, **image: Any) -> None:
        super().__init__(**image)
        self.samples, self.most, self.noise, self.seed = samples, most, noise, seed

    def load(self) -> Source:
        """Draw all pictures; nothing is read."""
        scenes = draw(self.samples, self.image_size, most=self.most, noise=self.noise, seed=self.seed)
        return Source(scenes.images, scenes.masks, class_names=("background", *SHAPES))
