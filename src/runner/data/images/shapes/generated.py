"""GeneratedShapes: what data sets of drawn shapes have in common."""

from typing import Any

from runner.data.images.image import ImageDataModule
from runner.data.images.shapes.drawing import Scenes, draw


class GeneratedShapes(ImageDataModule):
    """Up to `most` circles, squares and triangles on uneven ground; nothing is read or downloaded.

    Args:
        samples: how many pictures, all splits together.
        noise: standard deviation of what is added to every pixel, of 255.
        seed: decides the pictures, whatever the seed of the training.
    """

    def __init__(self, *, samples: int, most: int, noise: float, seed: int, **image: Any) -> None:
        super().__init__(**image)
        self.samples, self.most, self.noise, self.seed = samples, most, noise, seed

    def scenes(self) -> Scenes:
        """Draw all pictures."""
        return draw(self.samples, self.image_size, most=self.most, noise=self.noise, seed=self.seed)
