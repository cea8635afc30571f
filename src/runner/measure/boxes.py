"""Boxes: areas, overlaps, encodings and suppression, as plain functions of corners (…, 4): x1, y1, x2, y2 in pixels."""

import torch
from torch import Tensor


def area(boxes: Tensor) -> Tensor:
    """Return the areas (…) of boxes (…, 4), in square pixels; 0 where corners are in the wrong order."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def iou(left: Tensor, right: Tensor) -> Tensor:
    """Return intersection over union of boxes that broadcast: (…, 4) and (…, 4) to (…), from 0 to 1.

    `iou(a[:, None], b)` is the matrix of all pairs. Two boxes without area have an IoU of 0.
    """
    shared = intersection(left, right)
    return shared / (area(left) + area(right) - shared).clamp(min=torch.finfo(shared.dtype).tiny)


def giou(left: Tensor, right: Tensor) -> Tensor:
    """Return the generalised IoU of boxes that broadcast, from -1 to 1: below 0 the further they are apart.

    Source: Rezatofighi et al., "Generalized Intersection over Union", arXiv:1902.09630.
    """
    shared = intersection(left, right)
    union = area(left) + area(right) - shared
    hull = torch.cat([torch.minimum(left[..., :2], right[..., :2]), torch.maximum(left[..., 2:], right[..., 2:])], -1)
    tiny = torch.finfo(shared.dtype).tiny
    around = area(hull)
    return shared / union.clamp(min=tiny) - (around - union) / around.clamp(min=tiny)


def intersection(left: Tensor, right: Tensor) -> Tensor:
    """Return the shared areas (…) of boxes that broadcast."""
    # Side by side rather than two numbers at a time: four times as fast where all pairs are compared.
    x1, y1, x2, y2 = left.unbind(-1)
    other_x1, other_y1, other_x2, other_y2 = right.unbind(-1)
    width = torch.minimum(x2, other_x2) - torch.maximum(x1, other_x1)
    height = torch.minimum(y2, other_y2) - torch.maximum(y1, other_y1)
    return width.clamp(min=0) * height.clamp(min=0)


def to_centres(corners: Tensor) -> Tensor:
    """Return (…, 4) as centre x, centre y, width, height."""
    low, high = corners[..., :2], corners[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def to_corners(centres: Tensor) -> Tensor:
    """Return (…, 4) of centre x, centre y, width, height as corners."""
    middle, half = centres[..., :2], centres[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def encode(boxes: Tensor, cells: Tensor, stride: Tensor, anchors: Tensor) -> Tensor:
    """Return what a cell has to answer for boxes (…, 4), such that `decode` gives them back.

    The logit of the centre's place in its cell, in each direction, and the logarithm of the size over the anchor's.

    Args:
        boxes: corners in pixels; their centres lie within their cells.
        cells: column and line of the cell of each, (…, 2).
        stride: pixels from one cell to the next, (…, 1).
        anchors: width and height in pixels, (…, 2).

    Source: Redmon and Farhadi, "YOLO9000", arXiv:1612.08242, section 2.
    """
    centres = to_centres(boxes)
    place = centres[..., :2] / stride - cells
    return torch.cat([torch.logit(place), (centres[..., 2:] / anchors).log()], -1)


def decode(answers: Tensor, cells: Tensor, stride: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes (…, 4) that cells answer; the inverse of `encode`."""
    middle = (answers[..., :2].sigmoid() + cells) * stride
    # Beyond e^4 times an anchor no box is right; a larger answer would only overflow.
    return to_corners(torch.cat([middle, answers[..., 2:4].clamp(max=4).exp() * anchors], -1))


def suppress(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Return the rows int64 (k,) that non-maximum suppression leaves of each class, best score first.

    The best is taken, all boxes of its class that overlap it by an IoU above `threshold` go, and so on. What runs in
    training and prediction is torchvision's `batched_nms`; this says what it does.

    Args:
        boxes: (n, 4).
        scores, classes: (n,).
    """
    order = scores.argsort(descending=True, stable=True)
    kept: list[int] = []
    for row in order.tolist():
        rivals = [other for other in kept if classes[other] == classes[row]]
        if not rivals or bool((iou(boxes[rivals], boxes[row]) <= threshold).all()):
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64)


def match(predicted: Tensor, true: Tensor, threshold: float) -> Tensor:
    """Return for each predicted box, best first, the true box that it finds, int64 (n,); -1 for none.

    Each takes the one it overlaps most of those that are left, from an IoU of `threshold` on.

    Args:
        predicted: (n, 4), in descending order of their scores.
        true: (m, 4).
    """
    found = torch.full((len(predicted),), -1)
    if not len(true):
        return found
    overlaps = iou(predicted[:, None], true)
    for row in range(len(predicted)):
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= threshold:
            found[row] = best
            overlaps[:, best] = -1
    return found


def anchors(sizes: Tensor, count: int, *, seed: int = 0, rounds: int = 100) -> Tensor:
    """Return `count` sizes float (count, 2) that stand for `sizes` (n, 2), smallest area first: k-means on 1 - IoU.

    The overlap is that of boxes with one centre, so that a small box's error counts as much as a large one's. A mean is
    the one of its cluster's widths and heights.

    Source: Redmon and Farhadi, "YOLO9000", arXiv:1612.08242, section 2.
    """
    count = min(count, len(sizes))
    generator = torch.Generator().manual_seed(seed)
    means = sizes[torch.randperm(len(sizes), generator=generator)[:count]].clone()
    owners = None
    for _ in range(rounds):
        shared = torch.minimum(sizes[:, None], means).prod(-1)
        overlap = shared / (sizes.prod(-1)[:, None] + means.prod(-1) - shared)
        now = overlap.argmax(1)
        if owners is not None and torch.equal(now, owners):
            break
        owners = now
        members = torch.zeros(count).scatter_add_(0, owners, torch.ones(len(sizes)))
        sums = torch.zeros(count, 2).index_add_(0, owners, sizes)
        means = torch.where(members[:, None] > 0, sums / members.clamp(min=1)[:, None], means)
    return means[means.prod(1).argsort()]
