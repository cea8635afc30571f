"""Appearance: what pictures of a data set are made into; how that is done is in `decode`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import ImageColor

from runner.errors import RunnerError

Colour = tuple[int, int, int]
# By the kind of an image's values, "integer" or "float": the values of black and of white.
ValueRanges = Mapping[str, tuple[float, float]]
NO_RANGES: ValueRanges = {}
# How a picture that is not square is made so.
FITS = ("crop", "pad", "squash")


@dataclass(frozen=True)
class Appearance:
    """How a picture becomes a tensor uint8 (channels, size, size).

    Attributes:
        size: pixels of either side.
        channels: 1 (grey) or 3 (RGB).
        fit: how a picture that is not square is made so: `crop` scales the shorter side and cuts out the centre,
            `squash` scales each side by itself, `pad` scales the longer side and puts `background` around.
        background: what is seen through transparent pixels.
        ranges: black and white of pictures of more than 8 bits.

    Raises:
        RunnerError: a value is none of these.
    """

    size: int
    channels: int
    fit: str = "crop"
    background: Colour = (255, 255, 255)
    ranges: ValueRanges = field(default_factory=lambda: NO_RANGES)

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise RunnerError(f"data.fit={self.fit}: must be one of {', '.join(FITS)}.")


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
