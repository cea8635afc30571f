"""ImageIntake: pictures as a network takes them, read and normalised without torch, from bytes of anybody's."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from runner.data.images.decode import Appearance, UnreadableImageError, decoded, in_silence
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.opened import opened
from runner.errors import RunnerError

CORNERS = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class ImageIntake:
    """What becomes of a picture, as plain values; the same as `ImageDataModule.read` and `transform`, bit for bit.

    Attributes:
        appearance: how a picture becomes uint8 (channels, size, size).
        mean, std: of each channel, on the scale from 0 to 1.
    """

    kind: ClassVar[str] = "image"
    appearance: Appearance
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        seen = self.appearance
        return {
            "kind": self.kind,
            "size": seen.size,
            "channels": seen.channels,
            "fit": seen.fit,
            "background": list(seen.background),
            "ranges": {name: list(limits) for name, limits in seen.ranges.items()},
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ImageIntake":
        """Return what `as_plain` gave."""
        ranges = {name: (float(low), float(high)) for name, (low, high) in plain["ranges"].items()}
        red, green, blue = plain["background"]
        appearance = Appearance(plain["size"], plain["channels"], plain["fit"], (red, green, blue), ranges)
        return cls(appearance, tuple(plain["mean"]), tuple(plain["std"]))

    def read(self, name: str, content: bytes, formats: Sequence[str], most: int) -> "np.ndarray[Any, Any]":
        """Return a file's picture, uint8 (channels, size, size).

        Args:
            name: what the file is called, for messages.
            content: the whole file.
            formats: Pillow's names of those that are read.
            most: pixels that a picture may have, by its header.

        Raises:
            RunnerError: it is no whole picture of one of the formats, or too large.
        """
        refuse_strange(name, content, formats, most)
        try:
            with in_silence():
                pixels = decoded(io.BytesIO(content), self.appearance, partial(opened, formats=formats, most=most))
        except UnreadableImageError as error:
            raise RunnerError(f"{name} can't be read as an image ({error}).") from error
        return pixels[None] if self.appearance.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def pixels(self, name: str, value: Any) -> "np.ndarray[Any, Any]":
        """Return pixels given as numbers from 0 to 255, float32 (n, channels, size, size).

        They may be nested or in one row; one picture, or several in a list.

        Raises:
            RunnerError: they are no numbers from 0 to 255, or not as many as pictures have.
        """
        shape = (self.appearance.channels, self.appearance.size, self.appearance.size)
        count = shape[0] * shape[1] * shape[2]
        told = f"{count:,} numbers from 0 to 255 a picture, shape {list(shape)}"
        try:
            found = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            raise RunnerError(f"{name}: not an array of numbers. Expected: {told}.") from None
        if not found.size or found.size % count or (found.ndim > 1 and found[0].size not in (count, *shape[1:])):
            raise RunnerError(f"{name}: has the shape {list(found.shape)}. Expected: {told}.")
        if not bool(((found >= 0) & (found <= 255)).all()):  # what is no number is neither
            raise RunnerError(f"{name}: has values outside of 0 to 255. Expected: {told}.")
        return found.reshape(-1, *shape)

    def transform(self, pixels: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Convert pixels (n, channels, size, size) from 0 to 255 to what the network takes, float32."""
        mean, std = (np.asarray(each, dtype=np.float32)[:, None, None] for each in (self.mean, self.std))
        normal: np.ndarray[Any, Any] = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        return normal

    def as_given(self, content: bytes, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows with their corners, where they have any, in the pixels of the picture as a person sees it."""
        if not rows or CORNERS[0] not in rows[0]:
            return rows
        place = placement(*size_as_seen(io.BytesIO(content)), self.appearance.size, self.appearance.fit)
        return [row | corners_in(place.back(tuple(row[key] for key in CORNERS))) for row in rows]


def corners_in(corners: Sequence[float]) -> dict[str, float]:
    """Return corners by their names, to a tenth of a pixel."""
    return {key: round(value, 1) for key, value in zip(CORNERS, corners, strict=True)}


def refuse_strange(name: str, content: bytes, formats: Sequence[str], most: int) -> None:
    """Raise RunnerError for a file that is no picture of these formats or has too many pixels, by its header alone."""
    try:
        with in_silence(), Image.open(io.BytesIO(content), formats=tuple(formats)) as image:
            width, height = image.size
    except Exception:  # what Pillow raises for a file that is damaged or no picture is of any kind
        raise RunnerError(f"{name} is no picture in one of the formats {', '.join(formats)}.") from None
    if width * height > most:
        raise RunnerError(f"{name} has {width} x {height} pixels; at most {most / 1e6:g} million are read.")
