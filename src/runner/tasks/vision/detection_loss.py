"""The loss of a detector on a grid: which place owns which object, and what it should have answered."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from runner.measure.boxes import giou, iou, to_centres
from runner.tasks.vision.grid import BOX, OBJECT, GridPlaces, boxes_of

# A place whose box overlaps an object it doesn't own by more than this is neither right nor wrong.
UNDECIDED = 0.5


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the loss counts.

    Attributes:
        box: 1 - GIoU of the places that own an object.
        object: the logistic loss of objectness where there is an object.
        empty: the same where there is none.
        classes: the logistic loss of each class, of the places that own an object.
    """

    box: float = 5.0
    object: float = 1.0
    empty: float = 0.5
    classes: float = 1.0


def owners(targets: Tensor, where: GridPlaces) -> tuple[Tensor, Tensor]:
    """Return which place owns each object, int64 (N, most), and whether there is one, bool (N, most).

    It is a place in whose cell the centre lies; of these, of all maps, the one whose anchor has the best IoU with the
    box when both have one centre.

    Args:
        targets: (N, most, 5), class and corners.
    """
    there = targets[..., 0] >= 0
    middle, size = to_centres(targets[..., 1:]).split(2, dim=-1)
    shared = torch.minimum(size[..., None, :], where.anchors).prod(-1)
    overlap = shared / (size.prod(-1)[..., None] + where.anchors.prod(-1) - shared).clamp(min=1e-6)  # (N, most, P)
    offset = middle[..., None, :] / where.strides - where.cells
    inside = ((offset >= 0) & (offset < 1)).all(-1)
    return overlap.masked_fill(~inside, -1).argmax(-1), there


def detection_loss(answers: Tensor, targets: Tensor, where: GridPlaces, weights: LossWeights) -> dict[str, Tensor]:
    """Return the weighted parts of the loss, each 0-d: `box`, `object`, `empty`, `classes`.

    Each is a sum over the batch, divided by its number of objects.

    Box and classes count only where an object is, and a place that overlaps one without owning it is left out of the
    empty ones.

    Args:
        answers: flattened maps, (N, P, 5 + num_classes).
        targets: (N, most, 5), class and corners; class -1 is padding.

    Source: Redmon et al., arXiv:1506.02640, equation 3, and arXiv:1804.02767; the box by arXiv:1902.09630.
    """
    targets = targets[:, (targets[..., 0] >= 0).any(0)]  # without columns of padding: their work is for nothing
    place, there = owners(targets, where)
    image = torch.arange(len(targets), device=targets.device)[:, None].expand_as(place)[there]
    place, boxes, classes = place[there], targets[..., 1:][there], targets[..., 0][there].long()
    predicted = boxes_of(answers, where)
    owned = torch.zeros_like(answers[..., BOX], dtype=torch.bool)
    owned[image, place] = True
    empty = ~owned & ~overlapping(predicted.detach(), targets)
    count = max(len(place), 1)
    objectness = F.binary_cross_entropy_with_logits(answers[..., BOX], owned.float(), reduction="none")
    chosen = answers[image, place]
    wanted = F.one_hot(classes, answers.shape[2] - OBJECT).to(chosen.dtype)
    return {
        "box": weights.box * (1 - giou(predicted[image, place], boxes)).sum() / count,
        "object": weights.object * objectness[owned].sum() / count,
        "empty": weights.empty * objectness[empty].sum() / count,
        "classes": weights.classes
        * F.binary_cross_entropy_with_logits(chosen[:, OBJECT:], wanted, reduction="sum")
        / count,
    }


@torch.no_grad()
def overlapping(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return whether each predicted box overlaps some object by more than `UNDECIDED`, bool (N, P)."""
    found = torch.zeros(predicted.shape[:2], dtype=torch.bool, device=predicted.device)
    for number in range(targets.shape[1]):  # one object of every image at a time bounds the memory
        box = targets[:, None, number]
        found |= (iou(predicted, box[..., 1:]) > UNDECIDED) & (box[..., 0] >= 0)
    return found
