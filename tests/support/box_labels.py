"""One set of pictures with boxes in three formats: what each reader must read alike."""

import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

NAMES = ("cat", "dog", "bird")
WIDTH, HEIGHT = 60, 40
# Picture by picture: class, x1, y1, x2, y2 in pixels.
OBJECTS: tuple[tuple[tuple[int, float, float, float, float], ...], ...] = (
    ((0, 3, 4, 21, 30), (1, 30, 10, 58, 38)),
    ((2, 0, 0, 60, 40),),
    (),
    ((1, 10.5, 5.25, 20.5, 9.75),),
    ((0, 1, 1, 9, 9), (0, 40, 20, 50, 39), (2, 20, 8, 30, 31)),
    ((1, 5, 6, 50, 36),),
)
TRAINING = 4


def parts() -> Iterator[tuple[int, str]]:
    """Yield the number and the part of each picture."""
    for number in range(len(OBJECTS)):
        yield number, "train" if number < TRAINING else "val"


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(path)


def coco(root: Path) -> Path:
    """Write `annotations/instances_{train,val}.json` and `{train,val}/N.png`; ids count from 1, with a gap."""
    for part in ("train", "val"):
        images, annotations = [], []
        for number, where in parts():
            if where != part:
                continue
            picture(root / part / f"{number}.png")
            images.append({"id": number + 7, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
            for label, x1, y1, x2, y2 in OBJECTS[number]:
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": (1, 2, 5)[label], "iscrowd": 0}
                box["segmentation"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
                annotations.append({"id": len(annotations) + 1, "image_id": number + 7, **box})
        categories = [{"id": (1, 2, 5)[index], "name": name} for index, name in enumerate(NAMES)]
        (root / "annotations").mkdir(exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return root


def yolo(root: Path) -> Path:
    """Write data.yaml, `images/{train,val}/N.png` and `labels/{train,val}/N.txt`."""
    for number, part in parts():
        picture(root / "images" / part / f"{number}.png")
        labels = root / "labels" / part / f"{number}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{label} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}"
            for label, x1, y1, x2, y2 in OBJECTS[number]
        ]
        labels.write_text("\n".join(lines))
    (root / "data.yaml").write_text(
        f"path: ../elsewhere\ntrain: ../images/train\nval: images/val\nnames: [{', '.join(NAMES)}]\n"
    )
    return root


def voc(root: Path) -> Path:
    """Write `Annotations/N.xml`, `JPEGImages/N.png` and `ImageSets/Main/{train,val}.txt`."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for number, part in parts():
        lists[part].append(str(number))
        picture(root / "JPEGImages" / f"{number}.png")
        objects = "".join(
            f"<object><name>{NAMES[label]}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for label, x1, y1, x2, y2 in OBJECTS[number]
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename>{size}{objects}</annotation>"
        )
    for part, names in lists.items():
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names))
    return root
