"""Open a picture that may be anybody's: in the formats that Pillow itself draws, and of a bounded number of pixels."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from PIL import Image

# Formats that Pillow can identify at most, or draws by starting another program: whatever a file is called, what it
# holds decides who reads it.
UNDRAWN = frozenset({"BUFR", "GRIB", "HDF5", "IPTC", "MPEG", "EPS", "WMF", "PDF"})


@cache
def drawn_formats() -> tuple[str, ...]:
    """Return the formats that this installation of Pillow can open and draw, the usual ones first."""
    Image.init()
    return tuple(name for name in Image.ID if name not in UNDRAWN)


def most_pixels() -> int:
    """Return the pixels of the largest picture that is decoded: what Pillow takes for no accident, 179 million."""
    return 2 * (Image.MAX_IMAGE_PIXELS or sys.maxsize)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Give a picture whose header was read, nothing of its pixels.

    Raises:
        PIL.Image.DecompressionBombError: it has too many.
        Exception: what Pillow raises for a file that is damaged or no picture.
    """
    with Image.open(path, formats=drawn_formats()) as image:
        if image.width * image.height > most_pixels():
            raise Image.DecompressionBombError(f"it has {image.width} x {image.height} pixels")
        yield image
