"""YOLO: a trunk, a neck that joins fine and coarse maps, and for every cell of a grid boxes and classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from runner.models.meta import building_on_meta

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
        if list(self.strides) != sorted(set(self.strides)) or any(each & (each - 1) or each < 2 for each in strides):
            raise ValueError(f"model.strides={list(strides)}: must be ascending powers of two, such as [8,16].")
        if image_size % self.strides[-1]:
            fitting = max(1, round(image_size / self.strides[-1])) * self.strides[-1]
            raise ValueError(
                f"Images of {image_size}x{image_size} don't divide into cells of {self.strides[-1]} pixels: set "
                f"data.image_size={fitting} or another multiple, or model.strides."
            )
        chosen = (
            Trunk(in_channels, channels, self.strides)
            if trunk is None
            else _timm_trunk(trunk, in_channels, self.strides, pretrained)
        )
        self.trunk, widths = chosen, chosen.widths
        self.lateral = nn.ModuleList(_convolution(each, width, 1) for each in widths)
        self.join = nn.ModuleList(_convolution(2 * width, width, 3) for _ in widths[1:])
        self.box = nn.ModuleList(_convolution(width, width, 3) for _ in widths)
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


class Trunk(nn.Module):
    """A small trunk: a convolution that halves the side and a residual pair, for each stage."""

    def __init__(self, in_channels: int, channels: Sequence[int], strides: tuple[int, ...]) -> None:
        """Raise ValueError where there are not as many stages as the last stride needs."""
        super().__init__()
        levels = [each.bit_length() - 2 for each in strides]
        if levels[-1] >= len(channels):
            raise ValueError(
                f"model.strides={list(strides)}: the trunk halves {len(channels)} times, to a stride of "
                f"{2 ** len(channels)}. Give model.channels {levels[-1] + 1} widths."
            )
        self.levels = levels
        before = [in_channels, *channels]
        self.stages = nn.ModuleList(
            nn.Sequential(_convolution(before[index], width, 3, stride=2), _Residual(width))
            for index, width in enumerate(channels[: levels[-1] + 1])
        )
        self.widths = [channels[each] for each in levels]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps (N, width, H / s, W / s) of the strides asked for."""
        hidden, found = images, []
        for index, stage in enumerate(self.stages):
            hidden = stage(hidden)
            if index in self.levels:
                found.append(hidden)
        return found


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _convolution(width, width // 2, 1), _convolution(width // 2, width, 3)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.second(self.first(hidden))


def _convolution(before: int, after: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(before, after, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())


def _begin_empty(layer: nn.Module, anchors: int) -> None:
    """Set the bias such that no cell holds an object at first, and boxes are as their anchors."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    with torch.no_grad():
        layer.bias.zero_()
        layer.bias.view(anchors, -1)[:, 4] = RARE


def _timm_trunk(name: str, in_channels: int, strides: tuple[int, ...], pretrained: bool) -> "_ChosenMaps":
    import timm

    try:
        trunk = timm.create_model(
            name, features_only=True, in_chans=in_channels, pretrained=pretrained and not building_on_meta()
        )
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"model.trunk={name}: timm makes no trunk of it ({str(error).splitlines()[0]}).") from error
    return _ChosenMaps(name, trunk, strides)


class _ChosenMaps(nn.Module):
    """The maps of a timm network at the strides asked for."""

    def __init__(self, name: str, trunk: nn.Module, strides: tuple[int, ...]) -> None:
        super().__init__()
        offered = list(trunk.feature_info.reduction())  # type: ignore[operator, union-attr]
        if missing := [each for each in strides if each not in offered]:
            raise ValueError(
                f"model.trunk={name} has maps at strides {', '.join(map(str, offered))}, not {missing[0]}: "
                "set model.strides."
            )
        self.chosen = [len(offered) - 1 - offered[::-1].index(each) for each in strides]
        widths = trunk.feature_info.channels()  # type: ignore[operator, union-attr]
        self.widths = [widths[each] for each in self.chosen]
        self.network = trunk

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.network(images)
        return [maps[each] for each in self.chosen]
