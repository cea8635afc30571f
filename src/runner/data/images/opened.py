"""Open a picture that may be anybody's: in the formats that Pillow itself draws, and of a bounded number of pixels."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

# A file, or one that is opened for reading already, at its beginning.
Source = Path | BinaryIO
Opening = Callable[[Source], AbstractContextManager[Image.Image]]

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
def opened(source: Source, formats: Sequence[str] | None = None, most: int | None = None) -> Iterator[Image.Image]:
    """Give a picture whose header was read, nothing of its pixels.

    Args:
        source: where it lies.
        formats: Pillow's names of those that may be read; None for all that it draws itself.
        most: pixels; None for `most_pixels`.

    Raises:
        PIL.Image.DecompressionBombError: it has too many.
        Exception: what Pillow raises for a file that is damaged or no picture.
    """
    with Image.open(source, formats=tuple(formats) if formats else drawn_formats()) as image:
        if image.width * image.height > (most or most_pixels()):
            raise Image.DecompressionBombError(f"it has {image.width} x {image.height} pixels")
        yield image
