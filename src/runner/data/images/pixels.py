"""Pixels: a picture of any of Pillow's modes as a person sees it, in 8 bits of grey or of red, green and blue.

What is black and what is white in images of more than 8 bits is one range for a whole data set.
"""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from runner.data.images.appearance import Colour, ValueRanges
from runner.data.images.opened import opened
from runner.errors import RunnerError

# TIFF's tag PhotometricInterpretation, and its value for pictures whose zeros are white.
PHOTOMETRIC, ZERO_IS_WHITE = 262, 0

# What a profile can be of, by Pillow's modes; alpha is carried along. Others are colours of their own (LAB, HSV).
SPACES = {"L": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "RGBX": "RGB ", "CMYK": "CMYK"}
# Depths that cameras, scanners and instruments have.
BITS = (8, 10, 12, 14, 16)


def upright(image: Image.Image) -> Image.Image:
    """Return a loaded picture turned as its EXIF says."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # damaged notes about a picture are no damage to it, and Pillow raises many kinds for them
        return image
    return image


def as_seen(image: Image.Image, background: Colour, ranges: ValueRanges) -> Image.Image:
    """Return a loaded picture in mode L or RGB: scaled to 8 bits, without its palette, in sRGB, on `background`.

    Raises:
        RunnerError: its values have no known range; see `value_range.range_for`.
        ValueError: Pillow knows no way from its mode to colours.
    """
    if kind_of_values(image.mode):
        return _eight_bits(image, background, ranges)
    image = in_srgb(_plain(image) if image.info.get("icc_profile") else image)
    if image.has_transparency_data:
        return _composited(image, background)
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _eight_bits(image: Image.Image, background: Colour, ranges: ValueRanges) -> Image.Image:
    values = np.asarray(image)
    pixels = scaled(values, range_for(image, ranges))
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == ZERO_IS_WHITE:
        pixels = 255 - pixels
    grey = Image.fromarray(pixels)
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    return Image.composite(Image.new("RGB", grey.size, background), grey.convert("RGB"), _mask(values == clear))


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture of colours that a profile can be of: without a palette, transparency as a channel."""
    if image.mode not in ("P", "PA") and not (image.mode == "RGB" and image.has_transparency_data):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _mask(chosen: np.ndarray) -> Image.Image:
    return Image.fromarray(chosen.astype(np.uint8) * 255)


def _composited(image: Image.Image, background: Colour) -> Image.Image:
    """Return a picture with transparent parts, in RGB, as it looks on a background."""
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)  # without the alpha that was multiplied in
    layer = (image.convert(straight) if straight else image).convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*background, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")


def in_srgb(image: Image.Image) -> Image.Image:
    """Return a loaded picture in sRGB where a profile in its file says that it is in other colours.

    One without a profile, with sRGB's, or with one that is damaged or of another kind of colours, is returned as it is.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode not in SPACES:
        return image
    transform = transform_of(profile, image.mode)
    if transform is None:
        return image
    seen = ImageCms.applyTransform(image, transform)
    assert seen is not None
    return seen


@lru_cache(maxsize=64)
def transform_of(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile's colours to sRGB; None where there is nothing to do, or nothing can be done."""
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if given.profile.xcolor_space != SPACES[mode] or "srgb" in (given.profile.profile_description or "").lower():
            return None
        return ImageCms.buildTransform(given, srgb(), mode, "RGBA" if mode == "RGBA" else "RGB")
    except (OSError, ImageCms.PyCMSError):  # viewers pass over a damaged profile as well
        return None


@lru_cache(maxsize=1)
def srgb() -> ImageCms.ImageCmsProfile:
    """Return the profile of what screens show."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def kind_of_values(mode: str) -> str | None:
    """Return "integer" or "float" for Pillow's modes of more than 8 bits a pixel and one channel, else None."""
    return "float" if mode == "F" else "integer" if mode == "I" or mode.startswith("I;") else None


def range_for(image: Image.Image, ranges: ValueRanges) -> tuple[float, float]:
    """Return black and white for an image: those of its data set, or of 16 bits where that had no such images.

    Raises:
        RunnerError: there is no range that all would agree on.
    """
    kind = kind_of_values(image.mode) or "integer"
    if kind in ranges:
        return ranges[kind]
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):  # which know no more
        return 0.0, 2.0**16 - 1
    values = "floats" if kind == "float" else "32-bit integers"
    raise RunnerError(
        f"{getattr(image, 'filename', 'The image')} holds {values}, and no range is known for them: "
        "the training images were of another kind. Convert it to 8 or 16 bits, or train with such images."
    )


def scaled(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return numbers of any type as uint8: the lower limit and less to 0, the upper one and more to 255.

    What is no number becomes 0.
    """
    low, high = limits
    unit = (np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / (high - low)
    return (unit * 255).round().clip(0, 255).astype(np.uint8)


def find_ranges(paths: Iterable[tuple[Path, str]], workers: int) -> dict[str, tuple[float, float]]:
    """Return one range for each kind among images given with their kinds; files that can't be read count for nothing.

    The range is that of the bit depth (0 to 1 for floats; 8, 10, 12, 14 or 16 bits) whose better half the values
    reach, as viewers have it; of values that fill none, it runs from the lowest to the highest.
    """
    limits: dict[str, list[tuple[float, float]]] = {}
    listed = list(paths)
    with ThreadPoolExecutor(workers) as pool:
        for (_, kind), found in zip(listed, pool.map(lambda each: _limits(each[0]), listed), strict=True):
            if found is not None:
                limits.setdefault(kind, []).append(found)
    return {
        kind: natural_range(min(low for low, _ in found), max(high for _, high in found), kind)
        for kind, found in limits.items()
    }


def natural_range(low: float, high: float, kind: str) -> tuple[float, float]:
    """Return black and white for values from `low` to `high`; see `find_ranges`."""
    depths = [*([1.0] if kind == "float" else []), *(2.0**bits - 1 for bits in BITS)]
    fitting = next((white for white in depths if high <= white), None)
    if low >= 0 and fitting is not None and (high > fitting / 2 or low == high):
        return 0.0, fitting
    return (low, high) if high > low else (low, low + 1)


def _limits(path: Path) -> tuple[float, float] | None:
    """Return the lowest and highest number in an image; None where there is none."""
    try:
        with opened(path) as image:
            values = np.asarray(image)
    except Exception:  # a file that is broken is told of where it is decoded
        return None
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None
