"""Mosaic: four images of a batch side by side, and a part of them that is as large as one to twice as large."""

import torch
from torch import Tensor

from runner.data.images.geometry.affine import BOX, move_boxes, move_images, move_masks
from runner.measure import nested
from runner.measure.nested import Nested

# Where the four meet, as shares of what is shown.
NEAREST, FURTHEST = 0.25, 0.75


class Mosaic:
    """What one batch of images (N, C, height, width) is put together from; see `of_images` and `of_targets`.

    Args:
        share: of the images that are put together; the others stay.

    Source: Bochkovskiy et al., "YOLOv4", arXiv:2004.10934, section 3.4.
    """

    def __init__(self, count: int, size: tuple[int, int], share: float) -> None:
        self.size = size
        self.chosen = torch.rand(count) < share
        own = torch.arange(count)
        self.sources = [own, *(torch.randperm(count) for _ in range(3))]
        side = 1 + torch.rand(count)  # of the part, in sides of an image
        meeting = NEAREST + (FURTHEST - NEAREST) * torch.rand(2, count)
        start = (1 - meeting * side).clamp(min=0).minimum(2 - side)  # of the part, from the left and from above
        zero = torch.zeros(count)
        self.matrices = []
        for tile in range(4):
            offsets = [2 * start[axis] + side - 2 * place - 1 for axis, place in enumerate((tile % 2, tile // 2))]
            rows = [torch.stack([side, zero, offsets[0]], 1), torch.stack([zero, side, offsets[1]], 1)]
            self.matrices.append(torch.stack(rows, 1))

    def of_images(self, images: Tensor) -> Tensor:
        """Return float (N, C, H, W)."""
        put = sum(move_images(images[rows.to(images.device)], each) for rows, each in self._tiles())
        return torch.where(self.chosen.to(images.device)[:, None, None, None], put, images)

    def of_targets(self, targets: Nested) -> Nested:
        """Return boxes (N, any, 5) and masks uint8 (N, H, W) of the images that were put together."""
        return nested.map_tensors(self._of_target, targets)

    def _of_target(self, target: Tensor) -> Tensor:
        chosen = self.chosen.to(target.device)[:, None, None]
        if target.is_floating_point() and target.dim() == 3 and target.shape[2] == BOX:
            tiles = [move_boxes(target[rows.to(target.device)], each, self.size) for rows, each in self._tiles()]
            padding = target.new_tensor([-1.0, 0, 0, 0, 0])
            stayed = [target, *(padding.expand_as(target) for _ in range(3))]
            return _shortened(torch.where(chosen, torch.cat(tiles, 1), torch.cat(stayed, 1)))
        if target.dtype == torch.uint8 and target.dim() == 3 and target.shape[1:] == self.size:
            put = target
            for number, (rows, each) in enumerate(self._tiles()):
                inside = move_masks(torch.zeros_like(target), each) == 0
                moved = move_masks(target[rows.to(target.device)], each)
                put = torch.where(inside, moved, put) if number else moved
            return torch.where(chosen, put, target)
        return target

    def _tiles(self) -> list[tuple[Tensor, Tensor]]:
        return list(zip(self.sources, self.matrices, strict=True))


def _shortened(boxes: Tensor) -> Tensor:
    """Return boxes with the padding last, and no more of it than the fullest image needs."""
    there = boxes[..., 0] >= 0
    order = (~there).int().argsort(dim=1, stable=True)
    most = max(1, int(there.sum(1).max()))
    return boxes.gather(1, order[:, :most, None].expand(-1, -1, BOX))
