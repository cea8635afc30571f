"""COCO JSON: one file of images, annotations and categories for each part of a set."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from runner.data.images.annotated.regions import Corners, Region, RegionError, region_of
from runner.data.images.detection.labels import Box, LabelSet, Picture, part_of
from runner.errors import RunnerError

KEYS = ("images", "annotations", "categories")
# Ids of categories that are named.
LISTED = 20
# What is read of an annotation: where its object lies, and which pixels are its own.
Place = tuple[Corners, Region | None]


def find(root: Path) -> dict[str, Path]:
    """Return the annotation file of each part below `root`; empty where there is none.

    Raises:
        RunnerError: several are of one part.
    """
    if root.is_file():
        return {"": root} if root.suffix.lower() == ".json" else {}
    found: dict[str, list[Path]] = {}
    for path in sorted({*root.glob("*.json"), *root.glob("annotations/*.json"), *root.glob("*/*.coco.json")}):
        if _holds_boxes(path):
            found.setdefault(part_of(path.stem) or part_of(path.parent.name), []).append(path)
    chosen = {}
    for part, paths in found.items():
        named = [path for path in paths if path.name.startswith("instances")] or paths
        if len(named) > 1:
            raise RunnerError(
                f"{named[0]} and {named[1]} both hold boxes of the {part or 'only'} part. Name one: data.root=FILE."
            )
        chosen[part] = named[0]
    return chosen


def box_of(annotation: dict[str, Any]) -> Place:
    """Return the corners of an annotation's `bbox`; raises RegionError where it has none."""
    box = annotation.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(each, (int, float)) for each in box)):
        raise RegionError(f"bbox is {box}, not four numbers x, y, width, height")
    x, y, width, height = map(float, box)
    return (x, y, x + width, y + height), None


def object_of(annotation: dict[str, Any]) -> Place:
    """Return an annotation's `segmentation` and the corners around it; raises RegionError where it has none."""
    region = region_of(annotation.get("segmentation"))
    return region.corners(), region


def read(root: Path, files: dict[str, Path], place_of: Callable[[dict[str, Any]], Place] = box_of) -> LabelSet:
    """Return what the files say of boxes, or with `object_of` of pixels.

    Raises:
        RunnerError: one is no COCO JSON, or they disagree on classes.
    """
    contents = {part: _load(path) for part, path in files.items()}
    first = next(iter(contents.values()))["categories"]
    categories = sorted(((int(each["id"]), str(each["name"])) for each in first), key=lambda each: each[0])
    found = LabelSet("COCO JSON", tuple(name for _, name in categories), tuple(str(number) for number, _ in categories))
    if len(set(found.names)) < len(found.names):
        raise RunnerError(f"{next(iter(files.values()))}: two categories have one name. Rename one.")
    number_of = {number: index for index, (number, _) in enumerate(categories)}
    for part, content in contents.items():
        others = {(int(each["id"]), str(each["name"])) for each in content["categories"]}
        if others != set(categories):
            raise RunnerError(
                f"{files[part]} has other categories than {next(iter(files.values()))}: ids and names must be the same."
            )
        pictures = _read_pictures(found, part, files[part], root if root.is_dir() else root.parent, content)
        _read_annotations(found, files[part], content, pictures, number_of, place_of)
    return found


def _read_pictures(
    found: LabelSet, part: str, file: Path, root: Path, content: dict[str, Any]
) -> dict[Any, Picture | None]:
    """Return the pictures of a part by their ids, None for those that are not there."""
    folders = [file.parent, *_folders(root, part, file)]
    pictures: dict[Any, Picture | None] = {}
    for entry in content["images"]:
        name = str(entry["file_name"])
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            found.problems.append(f"{file}: there is no image {name} in {', '.join(map(str, folders[:4]))}")
            pictures.setdefault(entry["id"], None)
            continue
        pictures[entry["id"]] = Picture(path, part, [], int(entry.get("width") or 0), int(entry.get("height") or 0))
    found.pictures += filter(None, pictures.values())
    return pictures


def _read_annotations(
    found: LabelSet,
    file: Path,
    content: dict[str, Any],
    pictures: dict[Any, Picture | None],
    number_of: dict[int, int],
    place_of: Callable[[dict[str, Any]], Place],
) -> None:
    low, high = min(number_of, default=0), max(number_of, default=0)
    for entry in content["annotations"]:
        where = f"{file}: annotation {entry.get('id')}"
        picture, category = pictures.get(entry.get("image_id")), entry.get("category_id")
        if picture is None:
            if entry.get("image_id") not in pictures:
                found.problems.append(f"{where}: there is no image with the id {entry.get('image_id')}")
            continue
        where = f"{where} ({picture.path.name})"
        if category not in number_of:
            hint = " (are they counted from 0 here and from 1 there?)" if category in (low - 1, high + 1) else ""
            found.problems.append(f"{where}: category_id {category}, but the categories are {_span(number_of)}{hint}")
            continue
        try:
            corners, region = place_of(entry)
        except RegionError as error:
            found.problems.append(f"{where}: {error}")
            continue
        objects = picture.crowds if entry.get("iscrowd") else picture.boxes
        objects.append(Box(number_of[category], corners, where, region))


def _folders(root: Path, part: str, file: Path) -> Iterable[Path]:
    """Yield where the images of a part may lie, the likeliest first."""
    stem = file.stem.removeprefix("instances_")
    words = [each for each in (stem, part, *(("valid",) if part == "val" else ())) if each]
    for place in (root / "images", root):
        yield from (place / word for word in words)
        yield place


def _span(numbers: Iterable[int]) -> str:
    """Return ascending numbers in words: a range, or some of them."""
    known = list(numbers)
    if known == list(range(known[0], known[-1] + 1)):
        return f"{known[0]} to {known[-1]}"
    return ", ".join(map(str, known[:LISTED])) + (" …" if len(known) > LISTED else "")


def _holds_boxes(path: Path) -> bool:
    """Return whether a file is an annotation file of boxes: captions and key points have one as well."""
    if path.name.startswith(("captions", "person_keypoints", "panoptic")):
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(1 << 20)
    return path.name.startswith("instances") or any(f'"{key}"' in start for key in KEYS)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunnerError(f"{path} is no JSON that can be read ({error}).") from error
    missing = [key for key in KEYS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise RunnerError(f"{path} is no COCO JSON: it has no list {' and no list '.join(missing)}.")
    try:
        for entry in content["categories"]:
            int(entry["id"]), str(entry["name"])
        for entry in content["images"]:
            entry["id"], entry["file_name"], int(entry.get("width") or 0), int(entry.get("height") or 0)
        if not all(isinstance(entry, dict) for entry in content["annotations"]):
            raise TypeError("an annotation is no object")
    except (KeyError, TypeError, ValueError) as error:
        raise RunnerError(f"{path} is no COCO JSON: {type(error).__name__} {error} in images or categories.") from error
    if not content["categories"]:
        raise RunnerError(f"{path} names no categories.")
    return content
