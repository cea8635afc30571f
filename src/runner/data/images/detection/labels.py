"""Labels: the objects of pictures as files hold them, whatever the format, and what is wrong with some."""

from dataclasses import dataclass, field
from pathlib import Path

from runner.data.images.annotated.regions import Region
from runner.data.images.class_folders import SPLITS

# A corner that lies outside of its picture by no more than this (pixels) is a matter of rounding.
SLACK = 2.0


@dataclass(frozen=True)
class Box:
    """One object: the number of its class, x1, y1, x2, y2 in pixels of its picture, and where its own are asked for."""

    label: int
    corners: tuple[float, float, float, float]
    where: str
    region: Region | None = None


@dataclass
class Picture:
    """A picture with its objects; width and height as the labels say, 0 where they don't.

    `crowds` are regions with more objects than anyone told apart.
    """

    path: Path
    part: str
    boxes: list[Box] = field(default_factory=list)
    width: int = 0
    height: int = 0
    # Whether the corners are shares of the sides from 0 to 1, not pixels.
    relative: bool = False
    crowds: list[Box] = field(default_factory=list)


@dataclass
class LabelSet:
    """All labels of a set.

    Attributes:
        form: what the files are called: COCO JSON, YOLO text or VOC XML.
        names: of the classes, in the order of their numbers.
        ids: what the files call each class, in the same order.
        problems: what cannot be used, each with its file and place.
        remarks: what a person should know, in sentences.
    """

    form: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    pictures: list[Picture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def fault(corners: tuple[float, float, float, float], width: float, height: float) -> str | None:
    """Return what is wrong with a box in a picture of width x height, None where nothing is."""
    x1, y1, x2, y2 = corners
    if any(value != value or value in (float("inf"), float("-inf")) for value in corners):
        return "its numbers are not finite"
    if x2 < x1 or y2 < y1:
        return f"its corners are in the wrong order (x {x1:g} to {x2:g}, y {y1:g} to {y2:g})"
    if x2 == x1 or y2 == y1:
        return "it has no area"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return f"it lies outside of its picture of {width:g}x{height:g} (x {x1:g} to {x2:g}, y {y1:g} to {y2:g})"
    if max(corners) <= 1 and min(width, height) > SLACK:
        return f"all its numbers are at most 1 in a picture of {width:g}x{height:g}: shares where pixels belong"
    return None


def reaches_out(corners: tuple[float, float, float, float], width: float, height: float) -> bool:
    """Return whether a box leaves its picture by more than rounding explains."""
    x1, y1, x2, y2 = corners
    return min(x1, y1) < -SLACK or x2 > width + SLACK or y2 > height + SLACK


def part_of(name: str) -> str:
    """Return the part, train, val or test, that a file's or folder's name tells, "" for none."""
    words = "".join(each if each.isalpha() else " " for each in name.lower()).split()
    return next((part for part, names in SPLITS.items() if any(word in names for word in words)), "")
