"""InstanceFolder: the user's own pictures with the pixels of each object, labelled as COCO JSON."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from runner.data.images.detection import coco_json
from runner.data.images.detection.box_folder import BoxFolder, by_size, padded
from runner.data.images.detection.labels import LabelSet, Picture
from runner.data.images.geometry.affine import IGNORED
from runner.data.images.geometry.placement import Placement
from runner.data.images.instances.instances import InstancesDataModule, around
from runner.data.images.stored import LazyImages
from runner.data.module import Source
from runner.errors import RunnerError


class ObjectMaps:
    """Objects drawn when a batch asks for them: indexed by int64 (n,), yields the targets of `InstancesDataModule`.

    Of objects that overlap the smaller one is in front. Pixels of crowds that are no object's are `IGNORED`.
    """

    def __init__(self, pictures: list[Picture], places: list[Placement]) -> None:
        self.pictures, self.places = pictures, places
        self.boxes = padded([each.boxes for each in pictures])

    def __getitem__(self, index: Tensor) -> dict[str, Tensor]:
        boxes = self.boxes[index]
        objects = torch.from_numpy(np.stack([self._drawn(row) for row in index.tolist()]))
        return {"boxes": around(objects, boxes), "objects": objects}

    def __len__(self) -> int:
        return len(self.pictures)

    def _drawn(self, row: int) -> np.ndarray:
        picture, place = self.pictures[row], self.places[row]
        objects = np.zeros((place.size, place.size), dtype=np.uint8)
        values = [(IGNORED, crowd) for crowd in picture.crowds] + list(enumerate(picture.boxes, start=1))
        for value, box in values:
            assert box.region is not None
            objects[box.region.drawn(place)] = value
        return objects


class InstanceFolder(BoxFolder, InstancesDataModule):
    """Pictures and COCO JSON below `root`, whose annotations have a `segmentation`; see `BoxFolder`.

    Objects are the pixels of polygons and run lengths, boxes lie around what can be seen of these; `bbox` is not read.

    Args:
        most_boxes: objects of a picture that count, the largest first; at most 254.
    """

    def __init__(self, *, most_boxes: int = 100, **folder: Any) -> None:
        super().__init__(most_boxes=most_boxes, **folder)
        if not 1 <= most_boxes < IGNORED:
            raise RunnerError(f"data.most_boxes={most_boxes}: objects have the numbers 1 to {IGNORED - 1}.")

    def labels(self) -> LabelSet:
        """Return what the annotation files say; raises RunnerError where there are none."""
        return objects_of(self.root)

    def load(self) -> Source:
        """See `BoxFolder.load`; objects are drawn batch by batch where pictures are decoded so."""
        source = super().load()
        if isinstance(source.inputs, LazyImages):
            return source
        maps: Any = source.targets
        targets = maps[torch.arange(len(maps))]
        if hidden := int((maps.boxes[..., 0] >= 0).sum() - (targets["boxes"][..., 0] >= 0).sum()):
            self.remarks.append(
                f"{hidden:,} objects have no pixel at data.image_size={self.image_size}: smaller ones hide them, or "
                "they are too small themselves."
            )
        return replace(source, targets=targets)

    def targets(self, pictures: list[Picture], places: list[Placement]) -> ObjectMaps:
        """Return the objects of pictures, the largest first, as they are drawn on demand."""
        if crowds := sum(len(each.crowds) for each in pictures):
            self.remarks.append(f"{crowds:,} crowds (iscrowd) are no objects; what is found in one counts for nothing.")
        return ObjectMaps([replace(each, boxes=by_size(each.boxes)[: self.most_boxes]) for each in pictures], places)


def objects_of(root: Path) -> LabelSet:
    """Return the objects that COCO JSON below `root`, or in one file, tells.

    Raises:
        RunnerError: there is none.
    """
    files = coco_json.find(root) if root.exists() else {}
    if not files:
        raise RunnerError(
            f"data.root={root}: no COCO JSON was found, which tells the pixels of objects. "
            "Known places: annotations/instances_train.json, train/_annotations.coco.json, or data.root=FILE.json."
        )
    return coco_json.read(root, files, coco_json.object_of)
