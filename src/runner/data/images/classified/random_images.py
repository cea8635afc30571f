"""RandomImages: noise of any number, channels, size and classes, for smoke runs and for timing."""

from typing import Any

import torch

from runner.data.images.image import ImageDataModule
from runner.data.module import Source
from runner.errors import RunnerError

# Training, validation and test need an image each.
FEWEST = 3


class RandomImages(ImageDataModule):
    """uint8 (N, channels, image_size, image_size), every value alike likely; nothing can be learned from them.

    Args:
        samples: how many images, all splits together; their classes take turns.
        seed: decides the images, whatever the seed of the training.
    """

    def __init__(self, *, samples: int, seed: int, **image: Any) -> None:
        super().__init__(**image)
        self.samples, self.seed = samples, seed

    def load(self) -> Source:
        """Draw all images; RunnerError where there are too few for every split."""
        if self.samples < FEWEST:
            raise RunnerError(f"data.samples={self.samples}: must be at least {FEWEST}, one image for each split.")
        shape = (self.samples, self.channels, self.image_size, self.image_size)
        images = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(self.seed))
        classes = torch.arange(self.samples) % self.num_classes
        return Source(images, classes, class_names=tuple(map(str, range(self.num_classes))))
