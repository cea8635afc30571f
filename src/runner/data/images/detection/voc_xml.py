"""Pascal VOC XML: one file of objects for each image."""

import xml.etree.ElementTree as ET
from pathlib import Path

from runner.data.images.class_folders import SPLITS
from runner.data.images.detection.labels import Box, LabelSet, Picture, part_of
from runner.data.images.listing import image_suffixes
from runner.errors import RunnerError

# An annotation of more bytes than this is none.
LARGEST = 10_000_000


def find(root: Path) -> list[Path]:
    """Return the annotation files below `root`, in order."""
    return sorted(path for path in root.rglob("*.xml") if not path.name.startswith(".")) if root.is_dir() else []


def read(root: Path, files: list[Path]) -> LabelSet:
    """Return what the files say; classes are numbered by name.

    Objects marked as difficult are left out. Corners count pixels from 1 to the last one inside, as VOC has it.
    """
    found = LabelSet("VOC XML", (), ())
    parsed = {path: tree for path in files if (tree := _parse(path, found)) is not None}
    names = sorted({_text(each, "name") for tree in parsed.values() for each in tree.iter("object")} - {""})
    if not names:
        raise RunnerError(f"{root}: {len(files)} XML files, and none names an object. Are they annotations?")
    found.names = found.ids = tuple(names)
    parts, difficult = _parts(root), 0
    for path, tree in parsed.items():
        part = parts.get(path.stem, "") if parts else part_of(path.parent.name) or part_of(path.parent.parent.name)
        image = _image(root, path, tree)
        if image is None:
            found.problems.append(f"{path}: there is no image {_text(tree, 'filename') or path.stem}")
            continue
        if parts and not part:
            continue  # of no part: the lists say what is used
        picture = Picture(image, part, [], _number(tree, "size/width"), _number(tree, "size/height"))
        for number, each in enumerate(tree.iter("object"), 1):
            where = f"{path}, object {number}"
            if _text(each, "difficult") == "1":
                difficult += 1
                continue
            try:
                x1, y1, x2, y2 = (float(_text(each, f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax"))
                picture.boxes.append(Box(names.index(_text(each, "name")), (x1 - 1, y1 - 1, x2, y2), where))
            except ValueError:
                found.problems.append(f"{where}: no name, or no bndbox of four numbers")
        found.pictures.append(picture)
    if difficult:
        found.remarks.append(f"{difficult:,} objects marked as difficult are left out.")
    return found


def _parse(path: Path, found: LabelSet) -> ET.Element | None:
    try:
        if path.stat().st_size > LARGEST:
            raise ET.ParseError("it is larger than any annotation")
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        found.problems.append(f"{path}: no XML that can be read ({error})")
        return None
    return root if root.tag == "annotation" else None


def _parts(root: Path) -> dict[str, str]:
    """Return the part of each image by its name, as ImageSets/Main lists them; empty where nothing is listed."""
    folder = next(iter(sorted(root.glob("**/ImageSets/Main"))), None)
    if folder is None:
        return {}
    listed: dict[str, str] = {}
    for part in SPLITS:
        path = folder / f"{part}.txt"
        if part == "train" and not path.is_file():
            path = folder / "trainval.txt"
        if path.is_file():
            listed |= {line.split()[0]: part for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    return listed


def _image(root: Path, path: Path, tree: ET.Element) -> Path | None:
    name = Path(_text(tree, "filename")).name
    folders = [path.parent, path.parent.parent / "JPEGImages", path.parent.parent / "images", root / "images", root]
    for folder in folders:
        if name and (folder / name).is_file():
            return folder / name
    for folder in folders:
        for suffix in (".jpg", ".png", ".jpeg", *sorted(image_suffixes())):
            if (folder / f"{path.stem}{suffix}").is_file():
                return folder / f"{path.stem}{suffix}"
    return None


def _text(element: ET.Element, key: str) -> str:
    return (element.findtext(key) or "").strip()


def _number(element: ET.Element, key: str) -> int:
    text = _text(element, key)
    return int(float(text)) if text.replace(".", "", 1).isdigit() else 0
