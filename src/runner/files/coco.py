"""COCO's format for objects and regions: plain dictionaries, as labelling tools and `data=box_folder` read them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The compressed form's lowest character, bits of a group, the bit that says that more follow, and that of the sign.
FIRST, GROUP, MORE, SIGN = 48, 5, 32, 16
# So many run lengths are written as they are, the others as differences.
KEPT = 3


class CocoAnnotations:
    """Pictures, categories and annotations, gathered picture by picture.

    Args:
        categories: name of each class, by its id.
    """

    def __init__(self, categories: Mapping[int, str]) -> None:
        self.ids = {name: number for number, name in categories.items()}
        self.content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": number, "name": name} for number, name in categories.items()],
        }

    def add_picture(self, name: str, width: int, height: int) -> None:
        """Begin the next picture."""
        images = self.content["images"]
        images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})

    def add_boxes(self, rows: Sequence[Mapping[str, Any]], objects: np.ndarray | None = None) -> None:
        """Add objects of the last picture, with `class`, `score` and corners in pixels.

        `objects` uint8 (height, width) are 1 + the row that a pixel belongs to; each row's pixels are then run-length
        encoded.
        """
        for number, row in enumerate(rows, start=1):
            width, height = row["x2"] - row["x1"], row["y2"] - row["y1"]
            area, more = width * height, {"score": row["score"]}
            if objects is not None:
                region = objects == number
                area, more["segmentation"] = int(region.sum()), encoded(region)
            self._add(self.ids[row["class"]], [row["x1"], row["y1"], width, height], area, **more)

    def add_mask(self, mask: np.ndarray, names: Sequence[str]) -> None:
        """Add one region for each class of a mask uint8 (height, width) of the last picture, run-length encoded."""
        for number in sorted({*np.unique(mask).tolist()} & set(range(len(names)))):
            region = mask == number
            rows, columns = region.any(1).nonzero()[0], region.any(0).nonzero()[0]
            box = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
            self._add(
                self.ids[names[number]], [float(each) for each in box], int(region.sum()), segmentation=encoded(region)
            )

    def _add(self, category: int, box: list[float], area: float, **more: Any) -> None:
        annotations = self.content["annotations"]
        picture = self.content["images"][-1]["id"]
        known = {"id": len(annotations) + 1, "image_id": picture, "category_id": category, "iscrowd": 0}
        rounded = [round(each, 2) for each in box]
        annotations.append({**known, "bbox": rounded, "area": round(area, 2), **more})


def encoded(region: np.ndarray) -> dict[str, list[int]]:
    """Return a region bool (height, width) as COCO's uncompressed run-length encoding."""
    return {"size": list(region.shape), "counts": run_lengths(region)}


def run_lengths(region: np.ndarray) -> list[int]:
    """Return lengths of runs outside and inside of a region bool (height, width), in turn, column by column."""
    flat = np.concatenate([[False], region.ravel(order="F"), [False]])
    changes = (flat[1:] != flat[:-1]).nonzero()[0]
    ends = np.concatenate([[0], changes, [region.size]])
    lengths = np.diff(ends).tolist()
    return [int(each) for each in (lengths if lengths[-1] else lengths[:-1])]


def unpacked(text: str) -> list[int]:
    """Return the run lengths that COCO's compressed form, a string, stands for.

    Each is written in groups of five bits, the lowest first, as printable characters; from the fourth on it is the
    difference to the last but one.

    Raises:
        ValueError: the string breaks off, or holds other characters.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - FIRST
        if not 0 <= bits < 2 * MORE:
            raise ValueError(f"the character {letter!r} stands for no run length")
        value |= (bits & (MORE - 1)) << shift
        shift += GROUP
        if bits & MORE:
            continue
        if bits & SIGN:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) >= KEPT else 0))
        value = shift = 0
    if shift:
        raise ValueError("it breaks off within a run length")
    return lengths
