"""ShapesBoxes: generated pictures of shapes, with a box around each."""

from typing import Any

from runner.data.images.detection.detection import DetectionDataModule
from runner.data.images.shapes.drawing import SHAPES, draw
from runner.data.module import Source


class ShapesBoxes(DetectionDataModule):
    """Up to `most` circles, squares and triangles on uneven ground; hidden ones have no box, and some pictures none.

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
        return Source(scenes.images, scenes.boxes, class_names=SHAPES)
