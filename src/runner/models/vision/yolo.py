"""YOLO: a trunk, a neck that joins fine and coarse maps, and for every cell of a grid boxes and classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from runner.models.vision.trunks import check_strides, convolution, trunk_of

# Of the first objectness: nearly every cell is empty, and training begins with that (arXiv:1708.02002, section 3.3).
RARE = -4.0


class YOLO(nn.Module):
    """Images to one raw map a stride: for each cell and anchor four numbers of a box, an objectness, and a class.

    What the maps mean is decided where they are decoded (`runner.tasks.vision.grid`); nothing here has a threshold.

    Args:
        channels: width of each stage of the trunk; every stage halves the side.
        strides: pixels between cells of each map, finest first; powers of two, of which the trunk has the last.
        anchors: boxes of each cell.
        trunk: a network of timm by name, in place of the small one; `channels` then mean nothing.
        width: channels of the neck.

    Source: Redmon et al., arXiv:1506.02640, 1612.08242 and 1804.02767.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_classes: int,
        channels: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[int] = (8, 16),
        anchors: int = 3,
        width: int = 64,
        trunk: str | None = None,
        pretrained: bool = False,
    ) -> None:
        """Raise ValueError where images and strides don't go together."""
        super().__init__()
        self.strides, self.anchors, self.num_classes = tuple(strides), anchors, num_classes
        check_strides(self.strides, image_size, "model.strides")
        self.trunk = trunk_of(trunk, in_channels, channels, self.strides, pretrained)
        widths = self.trunk.widths
        self.lateral = nn.ModuleList(convolution(each, width, 1) for each in widths)
        self.join = nn.ModuleList(convolution(2 * width, width, 3) for _ in widths[1:])
        self.box = nn.ModuleList(convolution(width, width, 3) for _ in widths)
        self.head = nn.ModuleList(nn.Conv2d(width, anchors * (5 + num_classes), 1) for _ in widths)
        for layer in self.head:
            _begin_empty(layer, anchors)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map float images (N, in_channels, H, W) to maps float (N, anchors * (5 + num_classes), H / s, W / s)."""
        maps = [lateral(each) for lateral, each in zip(self.lateral, self.trunk(images), strict=True)]
        for level in range(len(maps) - 2, -1, -1):
            above = interpolate(maps[level + 1], scale_factor=self.strides[level + 1] / self.strides[level])
            maps[level] = self.join[level](torch.cat([maps[level], above], dim=1))
        return tuple(head(box(each)) for head, box, each in zip(self.head, self.box, maps, strict=True))


def _begin_empty(layer: nn.Module, anchors: int) -> None:
    """Set the bias such that no cell holds an object at first, and boxes are as their anchors."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    with torch.no_grad():
        layer.bias.zero_()
        layer.bias.view(anchors, -1)[:, 4] = RARE
