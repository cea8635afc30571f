"""BoxDecoder: from raw maps to a bounded number of boxes by plain operations on tensors, for files that hold both."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from runner.measure.boxes import iou
from runner.tasks.vision.grid import OBJECT, GridPlaces, boxes_of, flatten, places, scores_of

# Answers of an image that suppression looks at, best first; every pair of them is compared.
SHORTLIST = 300
# Boxes that fall by a box that stands because another one fell, and so on: chains up to this length are followed.
ROUNDS = 24


class BoxDecoder(nn.Module):
    """What `grid.select` finds, for a number of images that may vary, and in shapes that nothing else decides.

    There are no loops over images and no operators of torchvision, so that every runtime has what it takes.

    Args:
        shapes: heights and widths of the maps.
        strides: pixels between the cells of each.
        anchors: float (maps, anchors, 2).
        num_classes, least, overlap, most: see `grid.select`.
    """

    cells: Tensor
    steps: Tensor
    sizes: Tensor

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        strides: Sequence[int],
        anchors: Tensor,
        *,
        num_classes: int,
        least: float,
        overlap: float,
        most: int,
    ) -> None:
        super().__init__()
        self.num_classes, self.least, self.overlap, self.most = num_classes, least, overlap, most
        for name, values in zip(("cells", "steps", "sizes"), places(shapes, strides, anchors), strict=True):
            self.register_buffer(name, values.clone())

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the detections float32 (N, most, 6): corners, score and class, best first; class -1 is padding."""
        answers = flatten(maps, OBJECT + self.num_classes)
        boxes, scores = boxes_of(answers, GridPlaces(self.cells, self.steps, self.sizes)), scores_of(answers)
        best, which = scores.flatten(1).topk(min(SHORTLIST, len(self.cells) * self.num_classes), dim=1)
        corners = boxes.gather(1, (which // self.num_classes)[:, :, None].expand(-1, -1, 4))
        labels = which % self.num_classes
        kept = (best >= self.least) & standing(corners, labels, best >= self.least, self.overlap)
        found = torch.cat([corners, best[:, :, None], labels[:, :, None].to(best.dtype)], dim=2)
        found = torch.where(kept[:, :, None], found, found.new_tensor([0.0, 0, 0, 0, 0, -1]))
        first = min(self.most, found.shape[1])
        order = torch.where(kept, best, -1.0).topk(first, dim=1).indices
        found = found.gather(1, order[:, :, None].expand(-1, -1, 6))
        padding = found.new_tensor([0.0, 0, 0, 0, 0, -1]).expand(len(found), self.most - first, 6)
        return torch.cat([found, padding], dim=1) if first < self.most else found


def standing(corners: Tensor, labels: Tensor, candidates: Tensor, overlap: float) -> Tensor:
    """Return which boxes non-maximum suppression leaves of each class, bool (N, K).

    All pairs at once instead of one box after the other: who stands is found from the best downwards, one link of
    every chain a round. It is what torchvision's `batched_nms` leaves unless a chain is longer than `ROUNDS`.

    Args:
        corners: (N, K, 4), best first.
        labels: int64 (N, K).
        candidates: bool (N, K); others neither stand nor make others fall.
    """
    better = torch.ones(corners.shape[1], corners.shape[1], dtype=torch.bool, device=corners.device).tril(-1)
    near = iou(corners[:, :, None], corners[:, None]) > overlap
    rivals = near & (labels[:, :, None] == labels[:, None]) & better
    stands = candidates
    for _ in range(ROUNDS):
        stands = candidates & ~(rivals & stands[:, None]).any(2)
    return stands
