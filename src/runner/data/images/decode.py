"""One image file to a square uint8 tensor; torch is imported for the tensor alone, which serving has no use for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from runner.data.images.appearance import NO_RANGES, Appearance, Colour, ValueRanges, parse_colour
from runner.data.images.opened import Opening, Source, most_pixels, opened
from runner.data.images.pixels import as_seen, upright
from runner.errors import RunnerError

if TYPE_CHECKING:
    from torch import Tensor

# A large JPEG is decoded at a fraction of its size, if that is still so many times what is asked for.
SPARE = 3


def decode_image(
    path: Path,
    size: int,
    channels: int,
    *,
    fit: str = "crop",
    background: str | Sequence[int] = "white",
    ranges: ValueRanges = NO_RANGES,
) -> Tensor:
    """Return uint8 (channels, size, size) as `Appearance` describes, turned as the EXIF says, the first of its frames.

    Raises:
        RunnerError: the file is missing, or is no whole image; the message names it.
    """
    return read_image(path, Appearance(size, channels, fit, parse_colour(background), ranges))


def read_image(path: Path, appearance: Appearance) -> Tensor:
    """Return uint8 (channels, size, size); raises RunnerError naming a file that is missing or no whole image."""
    import torch

    if not path.exists():
        raise RunnerError(f"No such image: {path}. Check the path.")
    try:
        pixels = torch.from_numpy(decoded(path, appearance))
    except UnreadableImageError as error:
        raise RunnerError(f"{path} can't be read as an image ({error}). Mend or remove the file.") from error
    return pixels.unsqueeze(0) if appearance.channels == 1 else pixels.permute(2, 0, 1).contiguous()


class UnreadableImageError(Exception):
    """A file that is no whole image; the message says why, without its name."""


def decoded(source: Source, appearance: Appearance, opening: Opening = opened) -> np.ndarray:
    """Return uint8 (size, size) of grey or (size, size, 3) of RGB; `opening` says what may be read at all.

    Raises:
        UnreadableImageError: the file is no whole image.
        RunnerError: it is one whose values cannot be shown; see `value_range.range_for`.
    """
    if appearance.channels not in (1, 3):
        raise RunnerError(f"Images have 1 channel (grey) or 3 (RGB), not data.channels={appearance.channels}.")
    mode = "L" if appearance.channels == 1 else "RGB"
    try:
        with opening(source) as image:
            image.draft(None, (SPARE * appearance.size,) * 2)
            image.load()
            seen = as_seen(upright(image), appearance.background, appearance.ranges).convert(mode)
        return np.array(MADE_SQUARE[appearance.fit](seen, appearance.size, appearance.background))
    except RunnerError:
        raise
    except Exception as error:  # what Pillow raises for a damaged file is of any kind
        raise UnreadableImageError(reason(error)) from error


def picture_as_seen(path: Path, appearance: Appearance) -> Image.Image:
    """Return a whole picture in RGB, of the size that a person sees it in, with `background` behind what is clear.

    Raises:
        RunnerError: it is none, or its values cannot be shown; see `value_range.range_for`.
    """
    try:
        with opened(path) as image:
            image.load()
            return as_seen(upright(image), appearance.background, appearance.ranges).convert("RGB")
    except RunnerError:
        raise
    except Exception as error:  # what Pillow raises for a damaged file is of any kind
        raise RunnerError(f"{path} can't be read as an image ({reason(error)}). Mend or remove the file.") from error


@contextmanager
def in_silence() -> Iterator[None]:
    """Within this context Pillow's remarks on single files are not heard; threads that decode are started inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reason(error: Exception) -> str:
    """Return why a file can't be decoded, without its path."""
    if isinstance(error, UnidentifiedImageError):
        return "it is cut off at once, or of no format that Pillow knows"
    if isinstance(error, Image.DecompressionBombError):
        return f"it unpacks to more than {most_pixels() / 1e6:.0f} million pixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _crop(image: Image.Image, size: int, background: Colour) -> Image.Image:
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)


def _squash(image: Image.Image, size: int, background: Colour) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _pad(image: Image.Image, size: int, background: Colour) -> Image.Image:
    longest = max(image.size)
    width, height = (max(1, round(side * size / longest)) for side in image.size)
    ground = Image.new("RGB", (size, size), background).convert(image.mode)
    inner = image.resize((width, height), Image.Resampling.BILINEAR)
    ground.paste(inner, ((size - width) // 2, (size - height) // 2))
    return ground


MADE_SQUARE: dict[str, Callable[[Image.Image, int, Colour], Image.Image]] = {
    "crop": _crop,
    "squash": _squash,
    "pad": _pad,
}
