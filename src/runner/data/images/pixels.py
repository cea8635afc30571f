"""Pixels: a picture of any of Pillow's modes as a person sees it, in 8 bits of grey or of red, green and blue."""

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageOps

from runner.data.images.value_range import ValueRanges, kind_of_values, range_for, scaled
from runner.errors import RunnerError

Colour = tuple[int, int, int]
# TIFF's tag PhotometricInterpretation, and its value for pictures whose zeros are white.
PHOTOMETRIC, ZERO_IS_WHITE = 262, 0

# What a profile can be of, by Pillow's modes; alpha is carried along. Others are colours of their own (LAB, HSV).
SPACES = {"L": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "RGBX": "RGB ", "CMYK": "CMYK"}


def parse_colour(value: str | Sequence[int]) -> Colour:
    """Return red, green and blue of a colour's name, of `#rrggbb`, or of three numbers from 0 to 255.

    Raises:
        RunnerError: it is none of them.
    """
    try:
        parts = ImageColor.getrgb(value)[:3] if isinstance(value, str) else tuple(int(each) for each in value)
    except (ValueError, TypeError):
        parts = ()
    if len(parts) != 3 or not all(0 <= each <= 255 for each in parts):
        raise RunnerError(
            f"data.background={value}: no colour. Give a name (white), '#rrggbb', or three numbers from 0 to 255."
        )
    return (parts[0], parts[1], parts[2])


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
