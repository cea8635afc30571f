"""Placement: where the pixels of a picture lie once it was made square, and the way back."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

# EXIF's tag of how a camera was held, and its values for pictures that lie on their side.
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Placement:
    """x' = x * scale_x + left, y' = y * scale_y + top: from a picture's own pixels to those of its square.

    Attributes:
        width, height: of the picture as a person sees it.
        size: side of the square.
    """

    width: int
    height: int
    size: int
    scale_x: float
    scale_y: float
    left: float
    top: float

    def forward(self, corners: tuple[float, ...]) -> tuple[float, float, float, float]:
        """Return x1, y1, x2, y2 in pixels of the square; parts may lie outside."""
        x1, y1, x2, y2 = corners
        across, down = (self.scale_x, self.left), (self.scale_y, self.top)
        return x1 * across[0] + across[1], y1 * down[0] + down[1], x2 * across[0] + across[1], y2 * down[0] + down[1]

    def back(self, corners: tuple[float, ...]) -> tuple[float, float, float, float]:
        """Return x1, y1, x2, y2 in the picture's own pixels, cut at its edges."""
        x1, y1, x2, y2 = corners
        return (
            _within((x1 - self.left) / self.scale_x, self.width),
            _within((y1 - self.top) / self.scale_y, self.height),
            _within((x2 - self.left) / self.scale_x, self.width),
            _within((y2 - self.top) / self.scale_y, self.height),
        )

    def sources(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Return for each pixel of the square along x (axis 0) or y (1) the picture's nearest, int64 (size,).

        Also whether there is one: bool (size,), False for bars.
        """
        scale, start, length = (
            (self.scale_x, self.left, self.width) if axis == 0 else (self.scale_y, self.top, self.height)
        )
        found = np.floor((np.arange(self.size) + 0.5 - start) / scale).astype(np.int64)
        return found.clip(0, length - 1), (found >= 0) & (found < length)

    def targets(self, axis: int) -> np.ndarray:
        """Return where the middle of each of the picture's pixels along x (axis 0) or y (1) lies in the square."""
        scale, start, length = (
            (self.scale_x, self.left, self.width) if axis == 0 else (self.scale_y, self.top, self.height)
        )
        return (np.arange(length) + 0.5) * scale + start


def placement(width: int, height: int, size: int, fit: str) -> Placement:
    """Return where a picture of width x height pixels lies in a square; `fit` as in `appearance.Appearance`."""
    if fit == "squash":
        return Placement(width, height, size, size / width, size / height, 0.0, 0.0)
    if fit == "pad":  # as decode pads: whole pixels
        longest = max(width, height)
        inner = [max(1, round(side * size / longest)) for side in (width, height)]
        bars = [(size - side) // 2 for side in inner]
        return Placement(width, height, size, inner[0] / width, inner[1] / height, *bars)
    scale = size / min(width, height)
    cut = [(side - min(width, height)) / 2 * scale for side in (width, height)]
    return Placement(width, height, size, scale, scale, -cut[0], -cut[1])


def size_as_seen(source: Path | BinaryIO) -> tuple[int, int]:
    """Return width and height of a picture turned as its EXIF says, from its header; raises what Pillow raises."""
    with Image.open(source) as image:
        width, height = image.size
        try:
            sideways = image.getexif().get(ORIENTATION) in SIDEWAYS
        except Exception:  # damaged notes about a picture are no damage to it
            sideways = False
    return (height, width) if sideways else (width, height)


def _within(value: float, limit: float) -> float:
    return min(max(value, 0.0), float(limit))
