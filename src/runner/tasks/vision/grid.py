"""Grid: what a detector's raw maps mean, as boxes, scores and classes."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from runner.measure.boxes import decode

# Numbers of an answer before its classes: four of the box, one of whether there is an object.
BOX, OBJECT = 4, 5
# Answers of an image that suppression looks at, best first: more take long and are of no use.
CANDIDATES = 1000


class GridPlaces(NamedTuple):
    """Where the answers of all maps belong, in one order: coarse maps behind fine ones, anchors one after the other.

    Attributes:
        cells: column and line, float (P, 2).
        strides: pixels, float (P, 1).
        anchors: width and height in pixels, float (P, 2).
    """

    cells: Tensor
    strides: Tensor
    anchors: Tensor


def flatten(maps: Sequence[Tensor], numbers: int) -> Tensor:
    """Return maps (N, anchors * numbers, h, w) as float32 (N, P, numbers), in the order of `places`."""
    parts = [each.unflatten(1, (-1, numbers)).permute(0, 1, 3, 4, 2).flatten(1, 3) for each in maps]
    return torch.cat(parts, dim=1).float()


def places(shapes: Sequence[tuple[int, int]], strides: Sequence[int], anchors: Tensor) -> GridPlaces:
    """Return the places of maps with these heights and widths; `anchors` are float (maps, anchors, 2)."""
    cells, steps = _cells(tuple(shapes), tuple(strides), anchors.shape[1], anchors.device)
    sizes = [
        each.repeat_interleave(height * width, dim=0) for each, (height, width) in zip(anchors, shapes, strict=True)
    ]
    return GridPlaces(cells, steps, torch.cat(sizes))


@lru_cache(maxsize=8)
def _cells(
    shapes: tuple[tuple[int, int], ...], strides: tuple[int, ...], count: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    cells, steps = [], []
    for (height, width), stride in zip(shapes, strides, strict=True):
        lines, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells.append(torch.stack([columns, lines], dim=2).flatten(0, 1).repeat(count, 1).float())
        steps.append(torch.full((len(cells[-1]), 1), float(stride)))
    return torch.cat(cells).to(device), torch.cat(steps).to(device)


def boxes_of(answers: Tensor, where: GridPlaces) -> Tensor:
    """Return the boxes (N, P, 4) of flattened maps, corners in pixels."""
    return decode(answers[..., :BOX], where.cells, where.strides, where.anchors)


def scores_of(answers: Tensor) -> Tensor:
    """Return the scores (N, P, num_classes): the probability of an object times that of each class."""
    return answers[..., BOX : BOX + 1].sigmoid() * answers[..., OBJECT:].sigmoid()


def select(boxes: Tensor, scores: Tensor, *, least: float, overlap: float, most: int) -> Tensor:
    """Return the detections float32 (N, most, 6): corners, score and class, best first; class -1 is padding.

    Args:
        boxes: (N, P, 4).
        scores: (N, P, num_classes).
        least: scores below it are no detections.
        overlap: of two boxes of one class that overlap more than this (IoU), the worse one goes.
        most: detections of an image.

    Source of the suppression: torchvision's `batched_nms`, class by class (see `runner.measure.boxes.suppress`).
    """
    found = boxes.new_zeros(len(boxes), most, 6)
    found[..., 5] = -1
    classes = scores.shape[2]
    best, which = scores.flatten(1).topk(min(CANDIDATES, scores[0].numel()), dim=1)
    for image, (values, indices) in enumerate(zip(best, which, strict=True)):
        values = values[values >= least]
        indices = indices[: len(values)]
        corners, labels = boxes[image, indices // classes], indices % classes
        kept = batched_nms(corners, values, labels, overlap)[:most]
        found[image, : len(kept)] = torch.cat([corners[kept], values[kept, None], labels[kept, None].float()], dim=1)
    return found
