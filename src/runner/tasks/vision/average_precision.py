"""Mean average precision as COCO defines it: over classes, over recalls, and over how exactly a box must fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

# A detection is right from an IoU of 0.5 to one of 0.95.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
# Detections of one class in one image that count, best first.
MOST = 100
# Which number of a detection is the share of it that lies in crowds.
CROWDS = 6

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Matches:
    """Which detections of a data set are right; shared by the metrics of one evaluation, so that it is found out once.

    Behind a detection's six numbers may stand the share of it that lies in crowds, and more: where that is as large as
    the IoU that is asked for and it finds no object, it counts for nothing.

    Source: the evaluation of Lin et al., "Microsoft COCO", arXiv:1405.0312 (without areas; crowds are of every class).
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._of: list[Tensor] = []
        self._precision: Floats = np.empty(0)

    def average_precision(self, found: Sequence[Tensor], true: Sequence[Tensor]) -> Floats:
        """Return the average precision (num_classes, 10) of each class and threshold; NaN for a class without objects.

        Args:
            found: detections (n, most, 6 or more), see `grid.select`.
            true: targets (n, most, 5).
        """
        given = [*found, *true]
        # Compared and kept as they are: the place of a tensor that is gone may be another's.
        if len(given) != len(self._of) or any(a is not b for a, b in zip(given, self._of, strict=True)):
            self._precision, self._of = self.curves(found, true).mean(-1), given
        return self._precision

    def curves(self, found: Sequence[Tensor], true: Sequence[Tensor]) -> Floats:
        """Return precision (num_classes, 10, 101) at each recall from 0 to 1; NaN for a class without objects."""
        scores: list[Floats] = []
        classes: list[Floats] = []
        right: list[Bools] = []
        counting: list[Bools] = []
        objects = np.zeros(self.num_classes, dtype=int)
        for detections, targets in zip(found, true, strict=True):
            for rows, boxes in zip(detections.cpu().double().numpy(), targets.cpu().double().numpy(), strict=True):
                there = boxes[:, 0] >= 0
                boxes = boxes[there]
                rows = best_of_each_class(rows[rows[:, 5] >= 0])
                overlaps = self.overlaps(rows, boxes, there)
                objects += np.bincount(boxes[:, 0].astype(int), minlength=self.num_classes)
                scores.append(rows[:, 4])
                classes.append(rows[:, 5])
                right.append(right_ones(rows, boxes, overlaps))
                counting.append(right[-1] | ~in_crowds(rows))
        verdicts = np.concatenate(right, axis=1), np.concatenate(counting, axis=1)
        return self._curves(np.concatenate(scores), np.concatenate(classes), *verdicts, objects)

    def overlaps(self, rows: Floats, boxes: Floats, there: Bools) -> Floats:
        """Return the IoU (n, m) of detections (n, 6) and the objects (m, 5) that are `there` among the targets."""
        return pairwise_iou(rows[:, :4], boxes[:, 1:])

    def _curves(self, scores: Floats, classes: Floats, right: Bools, counting: Bools, objects: NDArray[Any]) -> Floats:
        curves = np.full((self.num_classes, len(THRESHOLDS), len(RECALLS)), np.nan)
        order = np.argsort(-scores, kind="stable")
        for index in np.flatnonzero(objects):
            chosen = order[classes[order] == index]
            for number, (hits, counts) in enumerate(zip(right[:, chosen], counting[:, chosen], strict=True)):
                curves[index, number] = precision_at_recalls(hits[counts].cumsum(), int(objects[index]))
        return curves


class MaskMatches(Matches):
    """Matches by masks: behind a detection's seven numbers stand the IoUs of its mask with that of each target."""

    def overlaps(self, rows: Floats, boxes: Floats, there: Bools) -> Floats:
        """Return what the detections (n, 7 + most) say themselves."""
        return rows[:, CROWDS + 1 :][:, there]


def best_of_each_class(rows: Floats) -> Floats:
    """Return detections (n, 6) by descending score, of each class at most `MOST`."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    if len(rows) <= MOST:
        return rows
    kept = [np.flatnonzero(rows[:, 5] == each)[:MOST] for each in np.unique(rows[:, 5])]
    return rows[np.sort(np.concatenate(kept))]


def right_ones(rows: Floats, boxes: Floats, overlaps: Floats) -> Bools:
    """Return whether each detection (n, 6), best first, finds an object (m, 5) of its class: bool (10, n).

    Each takes the object it overlaps most of those left, by IoUs (n, m), separately for every threshold.
    """
    right = np.zeros((len(THRESHOLDS), len(rows)), dtype=bool)
    if not len(rows) or not len(boxes):
        return right
    overlaps = np.where(rows[:, None, 5] == boxes[:, 0], overlaps, -1.0)
    taken = np.zeros((len(THRESHOLDS), len(boxes)), dtype=bool)
    every = np.arange(len(THRESHOLDS))
    least = THRESHOLDS - 1e-10  # COCO's own tolerance at the threshold
    for row in np.flatnonzero(overlaps.max(1) >= least[0]):
        left = np.where(taken, -1.0, overlaps[row])
        last = left.shape[1] - 1 - left[:, ::-1].argmax(1)  # COCO takes the last of equally good ones
        right[:, row] = left[every, last] >= least
        taken[every[right[:, row]], last[right[:, row]]] = True
    return right


def in_crowds(rows: Floats) -> Bools:
    """Return whether each detection (n, 6 or more) lies in crowds, for every threshold: bool (10, n)."""
    shares = rows[:, CROWDS] if rows.shape[1] > CROWDS else np.zeros(len(rows))
    within: Bools = shares >= THRESHOLDS[:, None] - 1e-10
    return within


def pairwise_iou(left: Floats, right: Floats) -> Floats:
    """Return the IoU (n, m) of boxes (n, 4) and (m, 4)."""
    low = np.maximum(left[:, None, :2], right[:, :2])
    shared = np.clip(np.minimum(left[:, None, 2:], right[:, 2:]) - low, 0, None).prod(-1)
    sizes = [(each[:, 2:] - each[:, :2]).prod(-1) for each in (left, right)]
    union = sizes[0][:, None] + sizes[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def precision_at_recalls(hits: NDArray[Any], objects: int) -> Floats:
    """Return the best precision (101,) at each recall or a higher one; 0 where it is never reached.

    `hits` int (n,) counts the right ones among the best 1, 2, … detections.
    """
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(hits / objects, RECALLS, side="left")
    return np.where(first < len(hits), np.append(best, 0.0)[np.minimum(first, len(hits))], 0.0)


class AveragePrecision(Metric):
    """One figure of the average precision of a data set; takes detections (N, most, 6) and targets (N, most, 5).

    Args:
        matches: shared by the metrics of one evaluation.
        figure: `map` (mean over classes and thresholds), `map50` (over classes, at an IoU of 0.5), or `ap`, of class
            `index`.
    """

    full_state_update = False
    found: list[Tensor]
    true: list[Tensor]

    def __init__(self, matches: Matches, figure: str, index: int = 0) -> None:
        super().__init__()
        self.matches, self.figure, self.index = matches, figure, index
        self.add_state("found", [], dist_reduce_fx="cat")
        self.add_state("true", [], dist_reduce_fx="cat")

    def update(self, found: Tensor, true: Tensor) -> None:
        """Keep the boxes."""
        self.found.append(found)
        self.true.append(true)

    def compute(self) -> Tensor:
        """Return the figure, 0-d; NaN where there is no object."""
        found, true = ([each] if isinstance(each, Tensor) else each for each in (self.found, self.true))
        precision = self.matches.average_precision(found, true)
        chosen = precision[:, 0] if self.figure == "map50" else precision.mean(1)
        if self.figure == "ap":
            return torch.tensor(chosen[self.index])
        there = chosen[~np.isnan(chosen)]
        return torch.tensor(there.mean() if len(there) else np.nan)


def precision_metrics(matches: Matches, names: Sequence[str] | None, listed: int, of: str = "") -> dict[str, Metric]:
    """Return `map`, `map50`, and `ap/NAME` of every class where there are at most `listed`; `of` stands before each."""
    metrics: dict[str, Metric] = {f"{of}{figure}": AveragePrecision(matches, figure) for figure in ("map50", "map")}
    if matches.num_classes <= listed:
        labels = names or [str(index) for index in range(matches.num_classes)]
        metrics |= {f"{of}ap/{label}": AveragePrecision(matches, "ap", index) for index, label in enumerate(labels)}
    return metrics
