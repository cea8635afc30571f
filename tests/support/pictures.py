"""Folders of pictures for tests, and the data module over them."""

import struct
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
    above: int = 0,
) -> Path:
    """Write `count` pictures of each class below `folder`: number i is drawn at the class's level plus `above` + i."""
    for name, level in levels.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            draw(level + above + index).save(folder / name / f"{index:02}{suffix}")
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


def profile_of_swapped_colours() -> bytes:
    """A colour profile of nearly sRGB's colours, in which the first channel is green and the second red."""
    numbers = lambda *values: b"".join(struct.pack(">i", round(value * 65536)) for value in values)  # noqa: E731
    primaries = {b"g": (0.4360, 0.2225, 0.0139), b"r": (0.3851, 0.7169, 0.0971), b"b": (0.1431, 0.0606, 0.7141)}
    white = (0.9642, 1.0, 0.8249)
    tags = {name + b"XYZ": b"XYZ ".ljust(8, b"\0") + numbers(*place) for name, place in primaries.items()}
    tags |= {name + b"TRC": struct.pack(">8sIHH", b"curv", 1, 563, 0) for name in primaries}  # gamma 2.2
    tags[b"wtpt"] = b"XYZ ".ljust(8, b"\0") + numbers(*white)
    start = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(content), len(value))
        content += value
    head = struct.pack(">I4s4s4s4s4s12x4s", start + len(content), b"", b"\2\x20", b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + b"\0" * 28 + numbers(*white)).ljust(128, b"\0") + table + content
