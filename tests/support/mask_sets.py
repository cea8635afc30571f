"""Sets of pictures with masks as people keep them: every layout and way of writing a mask must give the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("ground", "cat", "dog")
COLOURS = ((0, 0, 0), (128, 0, 0), (0, 128, 64))
WIDTH, HEIGHT, COUNT, TRAINING = 30, 20, 5, 4


def labels(number: int) -> np.ndarray:
    """The classes of a picture, uint8 (HEIGHT, WIDTH): a cat, and in every second a dog; one row counts for nothing."""
    found = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    found[2 : 8 + number, 3:15] = 1
    if number % 2:
        found[10:18, 16:28] = 2
    found[0] = 255
    return found


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(path)


def indices(path: Path, classes: np.ndarray) -> None:
    """Grey values are the classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(classes).save(path)


def palette(path: Path, classes: np.ndarray) -> None:
    """Indices of a palette, as VOC has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(classes).convert("P")
    image.putdata(classes.ravel().tolist())
    image.putpalette([part for colour in COLOURS for part in colour] + [224] * (768 - 9))
    image.save(path)


def coloured(path: Path, classes: np.ndarray) -> None:
    """Colours; (224, 224, 192) counts for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(COLOURS)], table[255] = COLOURS, (224, 224, 192)
    Image.fromarray(table[classes]).save(path)


Write = Callable[[Path, np.ndarray], None]


def folders(root: Path, write: Write = indices) -> Path:
    """images/{train,val}/N.jpg and masks/{train,val}/N.png, with classes.txt."""
    for number in range(COUNT):
        part = "train" if number < TRAINING else "val"
        picture(root / "images" / part / f"{number}.jpg")
        write(root / "masks" / part / f"{number}.png", labels(number))
    (root / "classes.txt").write_text("\n".join(NAMES))
    return root


def parts_outside(root: Path) -> Path:
    """train/images/N.jpg and train/labels/N_mask.png in colours, with classes.csv."""
    for number in range(COUNT):
        part = "train" if number < TRAINING else "valid"
        picture(root / part / "images" / f"{number}.jpg")
        coloured(root / part / "labels" / f"{number}_mask.png", labels(number))
    rows = [f"{name},{','.join(map(str, colour))}" for name, colour in zip(NAMES, COLOURS, strict=True)]
    (root / "classes.csv").write_text("\n".join(["name,r,g,b", *rows, "void,224,224,192"]))
    return root


def voc(root: Path) -> Path:
    """JPEGImages, SegmentationClass with palettes, and lists; pictures that no list names have no mask."""
    for number in range(COUNT):
        picture(root / "JPEGImages" / f"{number}.jpg")
        palette(root / "SegmentationClass" / f"{number}.png", labels(number))
        palette(root / "SegmentationObject" / f"{number}.png", labels(number) // 2)
    picture(root / "JPEGImages" / "unlisted.jpg")
    lists = {"train": range(TRAINING), "val": range(TRAINING, COUNT), "trainval": range(COUNT)}
    for part, numbers in lists.items():
        (root / "ImageSets" / "Segmentation").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(map(str, numbers)))
    (root / "labels.txt").write_text("\n".join(NAMES))
    return root


def beside(root: Path) -> Path:
    """train/N.jpg beside train/N_mask.png, with _classes.csv of values, as export tools write them."""
    for number in range(COUNT):
        part = "train" if number < TRAINING else "valid"
        picture(root / part / f"{number}.jpg")
        indices(root / part / f"{number}_mask.png", labels(number))
        rows = [f"{value}, {name}" for value, name in enumerate(NAMES)]
        (root / part / "_classes.csv").write_text("\n".join(["Pixel Value, Class", *rows]))
    return root


def cvat(root: Path) -> Path:
    """train/ beside train_masks/ in colours, with a labelmap of a labelling tool."""
    for number in range(COUNT):
        part = "train" if number < TRAINING else "val"
        picture(root / part / f"{number}.jpg")
        coloured(root / f"{part}_masks" / f"{number}.png", labels(number))
    rows = [f"{name}:{','.join(map(str, colour))}::" for name, colour in zip(NAMES, COLOURS, strict=True)]
    text = "\n".join(["# label:color_rgb:parts:actions", *rows, "ignore:224,224,192::"])
    (root / "labelmap.txt").write_text(text)
    return root


LAYOUTS = (folders, parts_outside, voc, beside, cvat)
