"""BoxFolder: the user's own pictures with boxes, labelled in any of the three usual formats."""

from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from runner.data.batches import Rows
from runner.data.images.annotated.folder import LISTED, AnnotatedFolder
from runner.data.images.class_folders import enumerated
from runner.data.images.detection.detection import DetectionDataModule
from runner.data.images.detection.labels import Box, LabelSet, Picture, fault, reaches_out
from runner.data.images.detection.layouts import labels_of
from runner.data.images.geometry.affine import REST
from runner.data.images.geometry.placement import Placement
from runner.data.module import Source
from runner.errors import RunnerError


class BoxFolder(AnnotatedFolder, DetectionDataModule):
    """Pictures and labels below `root` as COCO JSON, YOLO text or VOC XML, found out by looking; see `layouts`.

    Parts called train, val and test are used as they are; what is missing is set aside from train.

    Args:
        most_boxes: objects of a picture that count, the largest first.
        on_broken, memory_limit_gb: see `AnnotatedFolder`.
    """

    def __init__(self, *, most_boxes: int = 300, **annotated: Any) -> None:
        super().__init__(**annotated)
        self.most_boxes = most_boxes

    def labels(self) -> LabelSet:
        """Return what the label files say."""
        return labels_of(self.root)

    def load(self) -> Source:
        """Read the labels, look at the pictures and decode them; `remarks` name classes and what was left out.

        Raises:
            RunnerError: there are no labels, or some cannot be used and are not left out.
        """
        labels = self.labels()
        self.ids = tuple(map(int, labels.ids)) if all(each.isdigit() for each in labels.ids) else None
        problems = list(labels.problems)
        self.remarks = [*labels.remarks]
        pictures, places, cut = self._looked_at(labels, problems)
        images, broken = self.pixels([each.path for each in pictures])
        problems += [f"{pictures[row].path}: {why}" for row, why in broken.items()]
        total = sum(1 + len(each.boxes) + len(each.crowds) for each in labels.pictures)
        left_out = self.settle(problems, total)
        kept = [row for row in range(len(pictures)) if row not in broken]
        if not kept:
            raise RunnerError(f"{self.root}: no picture can be used.")
        pictures, places = [pictures[row] for row in kept], [places[row] for row in kept]
        self._say(labels, pictures, cut)
        self.remarks += [left_out] if left_out else []
        parts = _parts([each.part for each in pictures])
        return Source(images, self.targets(pictures, places), class_names=labels.names, **parts)

    def targets(self, pictures: list[Picture], places: list[Placement]) -> Rows:
        """Return the boxes of pictures in their squares as float32 (N, most, 5), padded with class -1."""
        if crowds := sum(len(each.crowds) for each in pictures):
            self.remarks.append(f"{crowds:,} annotations of crowds (iscrowd) are left out.")
        return padded([self.counting(each.boxes) for each in pictures])

    def counting(self, boxes: list[Box]) -> list[Box]:
        """Return the boxes that count, the largest first where they are too many."""
        return boxes if len(boxes) <= self.most_boxes else by_size(boxes)[: self.most_boxes]

    def _looked_at(self, labels: LabelSet, problems: list[str]) -> tuple[list[Picture], list[Placement], int]:
        """Return the pictures that can be opened with what they hold in pixels of their squares, and where they lie.

        Also how many boxes reach out of their pictures.
        """
        pictures, places, cut = [], [], 0
        found = self.places([each.path for each in labels.pictures])
        for picture, place in zip(labels.pictures, found, strict=True):
            if isinstance(place, str):
                problems.append(f"{picture.path}: {place}")
                continue
            size = place.width, place.height
            if picture.width and picture.height and (picture.width, picture.height) != size:
                problems.append(
                    f"{picture.path}: is {size[0]}x{size[1]}, but its labels are for {picture.width}x{picture.height}"
                )
                continue
            boxes, out = _usable(picture.boxes, picture, place, problems)
            crowds, _ = _usable(picture.crowds, picture, place, problems)
            pictures.append(replace(picture, boxes=boxes, crowds=crowds))
            places.append(place)
            cut += out
        return pictures, places, cut

    def _say(self, labels: LabelSet, pictures: list[Picture], cut: int) -> None:
        """Add remarks: the classes by id, name and count, what was cut, and where not all count."""
        counts = Counter(box.label for picture in pictures for box in picture.boxes)
        classes = [
            f"{number} {name} ({counts[index]:,})"
            for index, (number, name) in enumerate(zip(labels.ids, labels.names, strict=True))
        ]
        more = f", and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
        self.remarks.append(
            f"{labels.form}: {len(pictures):,} pictures, {counts.total():,} objects by class: "
            f"{', '.join(classes[:LISTED])}{more}."
        )
        if empty := [name for index, name in enumerate(labels.names) if not counts[index]]:
            self.remarks.append(f"No object is of class {enumerated(empty)}.")
        if cut:
            self.remarks.append(f"{cut:,} boxes reach out of their pictures; what lies inside counts.")
        if crowded := sum(len(each.boxes) > self.most_boxes for each in pictures):
            self.remarks.append(
                f"{crowded:,} pictures have more than {self.most_boxes} objects; of these the largest count. "
                "data.most_boxes sets another number."
            )


def padded(rows: list[list[Box]]) -> Tensor:
    """Return boxes as float32 (N, most, 5): class and corners, class -1 being padding."""
    targets = torch.tensor([-1.0, 0, 0, 0, 0]).repeat(len(rows), max(1, *map(len, rows)), 1)
    for row, boxes in enumerate(rows):
        if boxes:
            targets[row, : len(boxes)] = torch.tensor([(box.label, *box.corners) for box in boxes])
    return targets


def by_size(boxes: list[Box]) -> list[Box]:
    """Return boxes by falling area."""
    return sorted(boxes, key=lambda box: (box.corners[0] - box.corners[2]) * (box.corners[3] - box.corners[1]))


def _usable(boxes: list[Box], picture: Picture, place: Placement, problems: list[str]) -> tuple[list[Box], int]:
    """Return boxes in pixels of a picture's square, and how many reached out of it; add what is wrong."""
    usable, out = [], 0
    size = float(place.width), float(place.height)
    for box in boxes:
        corners = box.corners
        if picture.relative:
            x1, y1, x2, y2 = corners
            corners = (x1 * size[0], y1 * size[1], x2 * size[0], y2 * size[1])
        misfit = box.region.misfit(place.width, place.height) if box.region else None
        if why := misfit or fault(corners, *size):
            problems.append(f"{box.where}: {why}")
            continue
        out += reaches_out(corners, *size)
        moved = place.forward(corners)
        inside = (
            max(moved[0], 0.0),
            max(moved[1], 0.0),
            min(moved[2], float(place.size)),
            min(moved[3], float(place.size)),
        )
        whole = (moved[2] - moved[0]) * (moved[3] - moved[1])
        if max(inside[2] - inside[0], 0) * max(inside[3] - inside[1], 0) >= REST * whole:
            usable.append(replace(box, corners=inside))
    return usable, out


def _parts(parts: list[str]) -> dict[str, Tensor]:
    """Return the rows of val and test, where they were set aside."""
    if not any(part in ("", "train") for part in parts):
        raise RunnerError("The labels name no training part: call one train, or put all pictures into one part.")
    return {
        part: torch.tensor([row for row, each in enumerate(parts) if each == part], dtype=torch.int64)
        for part in ("val", "test")
        if part in parts
    }
