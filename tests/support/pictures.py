"""Folders of pictures for tests, and the data module over them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runner.data.images.image_folder import ImageFolder

LEVELS = {"cat": 60, "dog": 180}


def grey(level: int) -> Image.Image:
    """A small picture of one grey."""
    return Image.new("L", (6, 6), level)


def sixteen_bits(level: int) -> Image.Image:
    """A small picture of one grey in 16 bits."""
    return Image.fromarray(np.full((6, 6), level, dtype=np.uint16))


def fill(
    folder: Path,
    count: int,
    levels: Mapping[str, int] = LEVELS,
    *,
    suffix: str = ".png",
    draw: Callable[[int], Image.Image] = grey,
) -> Path:
    """Write `count` pictures of each class below `folder`: number i is drawn at the class's level plus i."""
    for name, level in levels.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            draw(level + index).save(folder / name / f"{index:02}{suffix}")
    return folder


def image_data(root: Path, **options: Any) -> ImageFolder:
    """The data module over an image folder of two classes, in grey, 6x6."""
    image = {"channels": 1, "image_size": 6, "num_classes": 2, "mean": [0.5], "std": [0.5]}
    return ImageFolder(root=str(root), **{**image, **options})


def read_data(root: Path, **options: Any) -> ImageFolder:
    """The same, read and divided."""
    data = image_data(root, **options)
    data.setup()
    return data
