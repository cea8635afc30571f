"""Layouts: which format the labels of a folder have, found out by looking."""

from functools import lru_cache
from pathlib import Path

from runner.data.images.annotated.stamps import Stamps, stamps
from runner.data.images.detection import coco_json, voc_xml, yolo_text
from runner.data.images.detection.labels import LabelSet
from runner.errors import RunnerError

FORMATS = (
    "COCO JSON (annotations/instances_train.json, or train/_annotations.coco.json), YOLO text (data.yaml, images/ and "
    "labels/), or VOC XML (Annotations/*.xml)"
)
# Suffixes of files that say something of a set; pictures may be very many.
LABELS = (".json", ".yaml", ".yml", ".xml", ".txt")


def labels_of(root: str | Path) -> LabelSet:
    """Return all labels below `root`, or those of an annotation file or a data.yaml.

    Raises:
        RunnerError: there is nothing, or nothing that says where objects are.
    """
    place = Path(root).expanduser()
    if not place.exists():
        raise RunnerError(f"data.root={root}: there is no such folder or file.")
    place = place.absolute()
    return _read(place, stamps(place, _matters))


def count_box_classes(root: str | Path) -> int:
    """Return how many classes the labels name; for `data.num_classes`."""
    return len(labels_of(root).names)


def _matters(path: Path) -> bool:
    return path.suffix.lower() in LABELS or (not path.suffix and path.is_dir())


@lru_cache(maxsize=2)
def _read(root: Path, state: Stamps) -> LabelSet:
    """Read once until something changes: a configuration asks for the number of classes before the data is read."""
    if coco := coco_json.find(root):
        return coco_json.read(root, coco)
    if (yolo := yolo_text.find(root)) is not None:
        return yolo_text.read(root, yolo)
    if voc := voc_xml.find(root):
        return voc_xml.read(root, voc)
    raise RunnerError(f"{root}: no labels of objects were found. Known layouts: {FORMATS}.")
