"""PictureReader: pictures as files, as base64 or as numbers, read and normalised as in training, without torch."""

import base64
import binascii
import io
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from runner.data.images.appearance import Appearance
from runner.data.images.decode import UnreadableImageError, decoded, in_silence
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.opened import opened
from runner.errors import RunnerError
from runner.serving.limits import Limits
from runner.serving.reader import Array, Reader, Rows, Taken, Upload

CORNERS = ("x1", "y1", "x2", "y2")


class PictureReader(Reader):
    """Reads as `ImageDataModule.read` and `transform` do, bit for bit; `plain` is what its `intake` says."""

    form: ClassVar = '{"pixels": [[0, 128, …], …]} or {"images": ["base64 of a file", …]}'
    accept: ClassVar = "image/*"

    def __init__(self, plain: dict[str, Any], limits: Limits) -> None:
        ranges = {name: (float(low), float(high)) for name, (low, high) in plain["ranges"].items()}
        red, green, blue = plain["background"]
        self.appearance = Appearance(plain["size"], plain["channels"], plain["fit"], (red, green, blue), ranges)
        self.mean, self.std = (np.asarray(plain[key], dtype=np.float32)[:, None, None] for key in ("mean", "std"))
        self.limits = limits

    def files(self, files: Sequence[Upload]) -> Taken:
        """See Reader.files."""
        read = np.stack([self.read(each) for each in files])
        given = lambda index, rows: self.as_given(files[index].content, rows)  # noqa: E731
        return Taken([self.transformed(read)], [each.name for each in files], given)

    def value(self, value: Any) -> Taken:
        """See Reader.value."""
        if isinstance(value, dict) and isinstance(images := value.get("images"), list) and images:
            contents = [from_base64(each, place) for place, each in enumerate(images)]
            return self.files([Upload(f"images[{place}]", "", each) for place, each in enumerate(contents)])
        if not isinstance(value, dict) or "pixels" not in value:
            raise RunnerError(f"Expected {self.form}.")
        pixels = self.pixels(value["pixels"])
        return Taken([self.transformed(pixels)], [f"pixels[{place}]" for place in range(len(pixels))])

    def transformed(self, raw: Array) -> Array:
        """See Reader.transformed: pixels (n, channels, size, size) from 0 to 255."""
        normal: Array = (raw.astype(np.float32) / np.float32(255) - self.mean) / self.std
        return normal

    def read(self, file: Upload) -> Array:
        """Return a file's picture, uint8 (channels, size, size).

        Raises:
            RunnerError: it is no whole picture of one of the formats, or too large by its header.
        """
        formats, most = self.limits.formats, self.limits.pixels
        refuse_strange(file, formats, most)
        try:
            with in_silence():
                pixels = decoded(io.BytesIO(file.content), self.appearance, partial(opened, formats=formats, most=most))
        except UnreadableImageError as error:
            raise RunnerError(f"{file.name} can't be read as an image ({error}).") from error
        return pixels[None] if self.appearance.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def pixels(self, value: Any) -> Array:
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
            raise RunnerError(f"pixels: not an array of numbers. Expected: {told}.") from None
        if not found.size or found.size % count or (found.ndim > 1 and found[0].size not in (count, *shape[1:])):
            raise RunnerError(f"pixels: has the shape {list(found.shape)}. Expected: {told}.")
        if not bool(((found >= 0) & (found <= 255)).all()):  # what is no number is neither
            raise RunnerError(f"pixels: has values outside of 0 to 255. Expected: {told}.")
        return found.reshape(-1, *shape)

    def as_given(self, content: bytes, rows: Rows) -> Rows:
        """Return rows with their corners, where they have any, in the pixels of the picture as a person sees it."""
        if not rows or CORNERS[0] not in rows[0]:
            return rows
        place = placement(*size_as_seen(io.BytesIO(content)), self.appearance.size, self.appearance.fit)
        return [row | corners_in(place.back(tuple(row[key] for key in CORNERS))) for row in rows]


def corners_in(corners: Sequence[float]) -> dict[str, float]:
    """Return corners by their names, to a tenth of a pixel."""
    return {key: round(value, 1) for key, value in zip(CORNERS, corners, strict=True)}


def refuse_strange(file: Upload, formats: Sequence[str], most: int) -> None:
    """Raise RunnerError for a file that is no picture of these formats or has too many pixels, by its header alone."""
    try:
        with in_silence(), Image.open(io.BytesIO(file.content), formats=tuple(formats)) as image:
            width, height = image.size
    except Exception:  # what Pillow raises for a file that is damaged or no picture is of any kind
        raise RunnerError(f"{file.name} is no picture in one of the formats {', '.join(formats)}.") from None
    if width * height > most:
        raise RunnerError(f"{file.name} has {width} x {height} pixels; at most {most / 1e6:g} million are read.")


def from_base64(text: Any, place: int) -> bytes:
    """Return the bytes that base64 stands for."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise RunnerError(f"images[{place}]: not base64.") from None
