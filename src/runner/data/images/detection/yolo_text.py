"""YOLO text: a line for each object in a text file beside each image, and the classes' names in data.yaml."""

import math
from pathlib import Path
from typing import Any

import yaml

from runner.data.images.class_folders import SPLITS
from runner.data.images.detection.labels import Box, LabelSet, Picture, part_of
from runner.data.images.listing import image_suffixes
from runner.errors import RunnerError
from runner.files.reading import check_yaml

# A share may leave its picture by so much: rounding.
SLACK = 1e-3


def find(root: Path) -> Path | None:
    """Return the file that names the classes: data.yaml, or another that has `names`, or classes.txt."""
    if root.is_file():
        return root if root.suffix.lower() in (".yaml", ".yml") else None
    for path in [root / "data.yaml", *sorted(root.glob("*.y*ml"))]:
        if path.is_file() and "names" in (_yaml(path) or {}):
            return path
    listed = root / "classes.txt"
    return listed if listed.is_file() and any(root.glob("**/labels")) else None


def read(root: Path, file: Path) -> LabelSet:
    """Return what the label files say; raises RunnerError where the classes or the images cannot be found."""
    names, places = _declared(file)
    found = LabelSet("YOLO text", names, tuple(map(str, range(len(names)))))
    for part, folders in places.items():
        for folder in folders:
            for image in _images(folder):
                found.pictures.append(_picture(found, image, part, file))
    if not found.pictures:
        looked = ", ".join(str(folder) for folders in places.values() for folder in folders)
        raise RunnerError(f"{file}: there are no images in {looked or file.parent}.")
    bare = sum(not each.boxes for each in found.pictures)
    if bare == len(found.pictures) and not found.problems:
        raise RunnerError(
            f"{file}: no image has a label file with a line. Labels of images/a.jpg belong in labels/a.txt."
        )
    if bare:
        found.remarks.append(f"{bare:,} of {len(found.pictures):,} images have no object.")
    return found


def _declared(file: Path) -> tuple[tuple[str, ...], dict[str, list[Path]]]:
    """Return the classes' names, and the folders of images of each part."""
    if file.name == "classes.txt":
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return tuple(names), _usual_places(file.parent)
    content = _yaml(file) or {}
    given = content.get("names")
    if isinstance(given, dict):
        if sorted(given) != list(range(len(given))):
            raise RunnerError(f"{file}: names must be numbered from 0 without gaps, not {sorted(map(str, given))[:5]}.")
        given = [given[index] for index in range(len(given))]
    if not isinstance(given, list) or not given:
        raise RunnerError(f"{file}: names must be a list of the classes' names.")
    if content.get("nc") not in (None, len(given)):
        raise RunnerError(f"{file}: nc is {content['nc']}, but there are {len(given)} names.")
    base = file.parent / str(content.get("path") or "")
    base = base if base.is_dir() else file.parent
    places: dict[str, list[Path]] = {}
    for part, words in SPLITS.items():
        for word in words:
            given_places = content.get(word) or []
            for entry in given_places if isinstance(given_places, list) else [given_places]:
                places.setdefault(part, []).append(_place(file, base, str(entry)))
    return tuple(map(str, given)), places or _usual_places(file.parent)


def _place(file: Path, base: Path, entry: str) -> Path:
    """Return where a folder of images is: from the file's own place, however many `../` an export put before it."""
    stripped = entry
    while stripped.startswith("../"):
        stripped = stripped.removeprefix("../")
    for place in (base / entry, file.parent / entry, file.parent / stripped):
        if place.exists():
            return place
    raise RunnerError(f"{file}: {entry} is not there, neither from {base} nor from {file.parent}. Mend the path.")


def _usual_places(root: Path) -> dict[str, list[Path]]:
    """Return the folders of images of a set that says nothing: images/train or train/images, or images."""
    places: dict[str, list[Path]] = {}
    for folder in sorted({*root.glob("images/*"), *root.glob("*/images")}):
        part = part_of(folder.name) or part_of(folder.parent.name)
        if folder.is_dir() and part:
            places.setdefault(part, []).append(folder)
    return places or {"": [root / "images" if (root / "images").is_dir() else root]}


def _images(place: Path) -> list[Path]:
    if place.is_file():  # a list of images
        lines = [line.strip() for line in place.read_text(encoding="utf-8").splitlines()]
        return [place.parent / line for line in lines if line]
    suffixes = image_suffixes()
    return sorted(
        path for path in place.rglob("*") if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def _picture(found: LabelSet, image: Path, part: str, file: Path) -> Picture:
    picture = Picture(image, part, relative=True)
    labels = _label_file(image)
    if not labels.is_file():
        return picture
    try:
        lines = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found.problems.append(f"{labels}: cannot be read ({error})")
        return picture
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{labels}, line {number}"
            box = _box(line.split(), where, len(found.names), file)
            if isinstance(box, Box):
                picture.boxes.append(box)
            else:
                found.problems.append(f"{where}: {box}")
    return picture


def _label_file(image: Path) -> Path:
    """Return where an image's labels are: in labels/ for images/, else beside it."""
    parts = list(image.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
        return Path(*parts).with_suffix(".txt")
    return image.with_suffix(".txt")


def _box(words: list[str], where: str, classes: int, file: Path) -> Box | str:
    """Return the object of a line, or what is wrong with it; a polygon becomes the box around it."""
    try:
        label, *numbers = float(words[0]), *map(float, words[1:])
    except ValueError:
        return f"'{' '.join(words)[:60]}' is not made of numbers"
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        return f"has {len(words)} numbers; a box has 5: class, centre x, centre y, width, height"
    if label != int(label) or not 0 <= label < classes:
        hint = " (are they counted from 1?)" if label == classes else ""
        return f"class {label:g}, but {file.name} names {classes}, numbered 0 to {classes - 1}{hint}"
    if not all(-SLACK <= each <= 1 + SLACK for each in numbers):
        return why_no_shares(numbers)
    if len(numbers) > 4:
        xs, ys = numbers[::2], numbers[1::2]
        return Box(int(label), (min(xs), min(ys), max(xs), max(ys)), where)
    x, y, width, height = numbers
    return Box(int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), where)


def why_no_shares(numbers: list[float]) -> str:
    """Return what is wrong with numbers that should be from 0 to 1."""
    if not all(map(math.isfinite, numbers)):
        return "numbers that are not finite"
    if max(numbers) > 1 + SLACK:
        return "numbers above 1: pixels where shares of the image's sides, 0 to 1, belong"
    return "negative numbers"


def _yaml(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        check_yaml(text)
        content = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunnerError(f"{path} is no YAML that can be read ({' '.join(str(error).split())[:120]}).") from error
    return content if isinstance(content, dict) else None
