"""What a network's outputs say in the user's terms, without torch: a task's own rows, and what a page draws of them.

A task describes its answers as plain values (`Task.answering`); `answers_from` makes of these what answers where there
is no task. The export compares both (see `job.serving`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.errors import RunnerError

Array = np.ndarray[Any, Any]
Rows = list[dict[str, Any]]
# The likeliest classes that an answer names.
SHOWN = 5
NO_CLASS = -100


@dataclass(frozen=True)
class ClassAnswers:
    """Logits (N, num_classes) to the likeliest class, and the probabilities of the best few."""

    names: tuple[str, ...]

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample."""
        probabilities = softmax(outputs)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :SHOWN]
        return [
            [
                {
                    "prediction": self.names[best[0]],
                    "probability": float(row[best[0]]),
                    "probabilities": {str(self.names[index]): float(row[index]) for index in best},
                }
            ]
            for row, best in zip(probabilities, order.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class BinaryAnswers:
    """Logits (N, 1) to one of two classes, and the probability of the second."""

    names: tuple[str, ...]

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample."""
        found = sigmoid(outputs.reshape(-1)).tolist()
        return [[{"prediction": self.names[int(each > 0.5)], "probability": each}] for each in found]


@dataclass(frozen=True)
class ValueAnswers:
    """Standardized numbers (N, len(mean)) to numbers in the user's units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample: `prediction`, numbered where there are several."""
        mean, std = (np.asarray(each, dtype=np.float32) for each in (self.mean, self.std))
        values = (outputs.reshape(-1, len(self.mean)).astype(np.float32) * std + mean).tolist()
        names = ["prediction"] if len(self.mean) == 1 else [f"prediction_{each}" for each in range(len(self.mean))]
        return [[dict(zip(names, row, strict=True))] for row in values]


@dataclass(frozen=True)
class EmbeddingAnswers:
    """Embeddings (N, D) as they are."""

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample, its numbers from `e1` on."""
        return [[{f"e{index}": value for index, value in enumerate(row, 1)}] for row in outputs.tolist()]


@dataclass(frozen=True)
class LetterAnswers:
    """Logits (N, T, num_classes) to what the likeliest classes of all tokens spell."""

    names: tuple[str, ...]

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample."""
        probabilities = softmax(outputs)
        best = probabilities.argmax(-1)
        chances = np.take_along_axis(probabilities, best[..., None], -1)[..., 0]
        return [
            [{"prediction": "".join(self.names[each] for each in row).strip(), "probability": float(each.prod())}]
            for row, each in zip(best.tolist(), chances, strict=True)
        ]


@dataclass(frozen=True)
class RegionAnswers:
    """Logits (N, num_classes, H, W) to each class's share of the pixels."""

    names: tuple[str, ...]

    def __call__(self, outputs: Array) -> list[Rows]:
        """Return one row a sample."""
        best = outputs.argmax(1).reshape(len(outputs), -1)
        counts = [np.bincount(row, minlength=len(self.names)) / row.size for row in best]
        return [[dict(zip(self.names, row.astype(np.float32).tolist(), strict=True))] for row in counts]


@dataclass(frozen=True)
class BoxAnswers:
    """Raw maps (N, anchors * (5 + num_classes), h, w) of several strides to the objects found, best first.

    `anchors` are width and height in pixels, (maps, anchors, 2); the others as in `tasks.vision.Detection`.
    """

    names: tuple[str, ...]
    anchors: Sequence[Sequence[Sequence[float]]]
    strides: Sequence[int]
    score: float
    overlap: float
    most: int

    def __call__(self, outputs: Sequence[Array]) -> list[Rows]:
        """Return one row an object: `class`, `score`, `x1`, `y1`, `x2`, `y2` in pixels of the network's input."""
        boxes, scores = self._boxes_and_scores(outputs)
        return [self._rows(*each) for each in zip(boxes, scores, strict=True)]

    def _boxes_and_scores(self, outputs: Sequence[Array]) -> tuple[Array, Array]:
        """Return corners (N, P, 4) and scores (N, P, num_classes) of all answers."""
        boxes, scores = [], []
        for map_, stride, anchors in zip(outputs, self.strides, self.anchors, strict=True):
            count, _, height, width = map_.shape
            answers = map_.reshape(count, len(anchors), -1, height, width).transpose(0, 1, 3, 4, 2).astype(np.float32)
            cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
            middle = (sigmoid(answers[..., :2]) + cells) * np.float32(stride)
            sizes = np.asarray(anchors, dtype=np.float32)[:, None, None]
            half = np.exp(answers[..., 2:4].clip(max=4)) * sizes / 2
            boxes.append(np.concatenate([middle - half, middle + half], -1).reshape(count, -1, 4))
            found = sigmoid(answers[..., 4:5]) * sigmoid(answers[..., 5:])
            scores.append(found.reshape(count, -1, len(self.names)))
        return np.concatenate(boxes, 1), np.concatenate(scores, 1)

    def _rows(self, boxes: Array, scores: Array) -> Rows:
        flat = scores.reshape(-1)
        order = np.argsort(-flat, kind="stable")[:1000]
        order = order[flat[order] >= self.score]
        kept: list[int] = []
        for each in order.tolist():
            place, label = divmod(each, len(self.names))
            rivals = [boxes[other // len(self.names)] for other in kept if other % len(self.names) == label]
            if not rivals or bool((iou(np.stack(rivals), boxes[place]) <= self.overlap).all()):
                kept.append(each)
            if len(kept) == self.most:
                break
        return [
            {
                "class": self.names[each % len(self.names)],
                "score": float(flat[each]),
                **dict(zip(("x1", "y1", "x2", "y2"), boxes[each // len(self.names)].tolist(), strict=True)),
            }
            for each in kept
        ]


Answers = Callable[[Any], list[Rows]]
KINDS: dict[str, Callable[..., Answers]] = {
    "classes": ClassAnswers,
    "binary": BinaryAnswers,
    "values": ValueAnswers,
    "embeddings": EmbeddingAnswers,
    "letters": LetterAnswers,
    "regions": RegionAnswers,
    "boxes": BoxAnswers,
}


def answers_from(plain: dict[str, Any]) -> Answers:
    """Return what the plain values of a task say; raises RunnerError where they are of another version."""
    values = {key: tuple(each) if isinstance(each, list) else each for key, each in plain.items() if key != "kind"}
    try:
        return KINDS[plain["kind"]](**values)
    except (KeyError, TypeError) as error:
        raise RunnerError(f"What is said of the answers is of another version, or damaged ({error}).") from None


def softmax(outputs: Array) -> Array:
    """Return probabilities float32 over the last dimension."""
    exponents = np.exp((outputs - outputs.max(-1, keepdims=True)).astype(np.float32))
    found: Array = exponents / exponents.sum(-1, keepdims=True)
    return found


def sigmoid(values: Array) -> Array:
    """Return 1 / (1 + exp(-x)) in float32, without overflow."""
    small = np.exp(-np.abs(values.astype(np.float32)))
    found: Array = np.where(values >= 0, 1 / (1 + small), small / (1 + small))
    return found


def iou(boxes: Array, box: Array) -> Array:
    """Return intersection over union (n,) of corners (n, 4) with those of one box (4,)."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).clip(min=0).prod(-1) for each in (boxes, box)]
    found: Array = shared / np.maximum(areas[0] + areas[1] - shared, np.finfo(np.float32).tiny)
    return found
