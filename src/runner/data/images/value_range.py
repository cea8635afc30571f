"""Value ranges: what is black and what is white in images of more than 8 bits, one range for a whole data set."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from runner.data.images.opened import opened
from runner.errors import RunnerError

# By the kind of an image's values, "integer" or "float": the values of black and of white.
ValueRanges = Mapping[str, tuple[float, float]]
NO_RANGES: ValueRanges = {}
# Depths that cameras, scanners and instruments have.
BITS = (8, 10, 12, 14, 16)


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
