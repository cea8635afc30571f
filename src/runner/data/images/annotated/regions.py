"""Regions: which pixels of a picture are an object's, as COCO files tell it: by outlines or by run lengths."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from runner.data.images.geometry.placement import Placement
from runner.files.coco import unpacked

Corners = tuple[float, float, float, float]
# Points of an outline, at least, and numbers of a point.
TRIANGLE, POINT = 3, 2
# Pixels of a picture's side, at most.
LONGEST = 1 << 30


class Region(Protocol):
    """Pixels of a picture."""

    def corners(self) -> Corners:
        """Return x1, y1, x2, y2 around them, in pixels of the picture."""

    def misfit(self, width: int, height: int) -> str | None:
        """Return why they cannot be of a picture of this size, None where they can."""

    def drawn(self, place: Placement) -> NDArray[np.bool_]:
        """Return which pixels of the picture's square they are, bool (size, size)."""


@dataclass(frozen=True)
class Outlines:
    """What lies within any of some polygons, each float32 (n, 2): x and y in pixels of the picture.

    A pixel counts where its middle lies inside: where a ray to the left of it crosses the outline an odd number of
    times.
    """

    polygons: tuple[NDArray[np.float32], ...]

    def corners(self) -> Corners:
        """See `Region`."""
        points = np.concatenate(self.polygons)
        (x1, y1), (x2, y2) = points.min(0), points.max(0)
        return float(x1), float(y1), float(x2), float(y2)

    def misfit(self, width: int, height: int) -> None:
        """Return None: outlines name no size."""

    def drawn(self, place: Placement) -> NDArray[np.bool_]:
        """See `Region`."""
        scale, start = (place.scale_x, place.scale_y), (place.left, place.top)
        parts = [filled(polygon * scale + start, place.size) for polygon in self.polygons]
        (_, across), (_, down) = place.sources(0), place.sources(1)
        return np.logical_or.reduce(parts) & across & down[:, None]


@dataclass(frozen=True)
class Runs:
    """Lengths of runs outside and inside, in turn, column by column of a picture of this height and width.

    `ends` int64 (n,) is where each of them ends.
    """

    height: int
    width: int
    ends: NDArray[np.int64]

    def corners(self) -> Corners:
        """See `Region`; zeros where no pixel is inside."""
        inside = self.ends[:-1:2] < self.ends[1::2]
        starts, ends = self.ends[:-1:2][inside], self.ends[1::2][inside]
        if not len(starts):
            return 0.0, 0.0, 0.0, 0.0
        first, last = starts // self.height, (ends - 1) // self.height
        over = bool((first < last).any())  # a run that goes on in the next column is at its bottom and at its top
        top = 0 if over else int((starts % self.height).min())
        bottom = self.height if over else int(((ends - 1) % self.height).max()) + 1
        return float(first.min()), float(top), float(last.max()) + 1, float(bottom)

    def misfit(self, width: int, height: int) -> str | None:
        """See `Region`."""
        if (self.width, self.height) == (width, height):
            return None
        return f"its run lengths are of {self.width}x{self.height} pixels, but the picture has {width}x{height}"

    def drawn(self, place: Placement) -> NDArray[np.bool_]:
        """See `Region`; each pixel is the picture's nearest."""
        columns, across = place.sources(0)
        rows, down = place.sources(1)
        inside = np.searchsorted(self.ends, columns * self.height + rows[:, None], side="right") % 2 == 1
        return inside & across & down[:, None]


class RegionError(ValueError):
    """A segmentation that is none; the message says why."""


def region_of(segmentation: Any) -> Region:
    """Return the region that a COCO annotation's `segmentation` tells; raises RegionError."""
    if isinstance(segmentation, dict):
        return _runs(segmentation)
    if not segmentation:
        raise RegionError("it has no segmentation")
    if not isinstance(segmentation, list):
        raise RegionError("its segmentation is neither a list of polygons nor an object of size and counts")
    return Outlines(tuple(_polygon(each) for each in segmentation))


def filled(polygon: NDArray[Any], size: int) -> NDArray[np.bool_]:
    """Return which pixels of a square lie within a polygon float (n, 2) of x and y, bool (size, size)."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    middles = np.arange(size) + 0.5
    lines, edges = np.nonzero((start[:, 1] > middles[:, None]) != (end[:, 1] > middles[:, None]))
    share = (middles[lines] - start[edges, 1]) / (end[edges, 1] - start[edges, 1])
    crossed = start[edges, 0] + share * (end[edges, 0] - start[edges, 0])
    turns = np.zeros((size, size + 1), dtype=np.int64)
    # the first pixel whose middle lies behind the crossing, and all that follow, change sides
    np.add.at(turns, (lines, np.ceil(crossed - 0.5).clip(0, size).astype(np.int64)), 1)
    return turns.cumsum(1)[:, :size] % 2 == 1


def _polygon(numbers: Any) -> NDArray[np.float32]:
    if not isinstance(numbers, list) or not all(_is_number(each) for each in numbers):
        raise RegionError("a polygon of it is no list of numbers x, y, x, y …")
    if len(numbers) % POINT:
        raise RegionError(f"a polygon of it has {len(numbers)} numbers, where each point has two: x and y")
    if len(numbers) < TRIANGLE * POINT:
        raise RegionError(f"a polygon of it has {len(numbers) // POINT} points, and needs {TRIANGLE}")
    points = np.array(numbers, dtype=np.float32).reshape(-1, POINT)
    if not np.isfinite(points).all():
        raise RegionError("a polygon of it has numbers that are not finite")
    return points


def _runs(segmentation: dict[str, Any]) -> Runs:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not _are_whole(size) or len(size) != POINT or not 1 <= min(size) <= max(size) <= LONGEST:
        raise RegionError(f"the size of its run lengths is {size}, not height and width")
    if isinstance(counts, str):
        try:
            counts = unpacked(counts)
        except ValueError as error:
            raise RegionError(f"its compressed run lengths cannot be read: {error}") from error
    if not _are_whole(counts) or min(counts, default=0) < 0:
        raise RegionError("its run lengths are no list of whole numbers from 0, and no string of them")
    height, width = size
    if sum(counts) != height * width:
        raise RegionError(
            f"its run lengths add up to {sum(counts):,} pixels, and {width}x{height} has {height * width:,}"
        )
    return Runs(height, width, np.cumsum(counts, dtype=np.int64))


def _are_whole(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
