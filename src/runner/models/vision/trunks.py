"""Trunks: networks that turn images into maps of several strides, the small one of our own or any of timm by name."""

from collections.abc import Sequence

from torch import Tensor, nn

from runner.models.meta import building_on_meta


def trunk_of(
    name: str | None, in_channels: int, channels: Sequence[int], strides: Sequence[int], pretrained: bool
) -> "Trunk | TimmTrunk":
    """Return the small trunk of these `channels`, or the network of timm by this name.

    Raises:
        ValueError: it has no maps at these strides.
    """
    if name is None:
        return Trunk(in_channels, channels, tuple(strides))
    return _timm_trunk(name, in_channels, tuple(strides), pretrained)


def check_strides(strides: Sequence[int], image_size: int, key: str) -> None:
    """Raise ValueError where `key`, the setting of the strides, has none, or images don't divide into their cells."""
    if list(strides) != sorted(set(strides)) or any(each & (each - 1) or each < 2 for each in strides):
        raise ValueError(f"{key}={list(strides)}: must be ascending powers of two, such as [8,16].")
    if image_size % strides[-1]:
        fitting = max(1, round(image_size / strides[-1])) * strides[-1]
        raise ValueError(
            f"Images of {image_size}x{image_size} don't divide into cells of {strides[-1]} pixels: set "
            f"data.image_size={fitting} or another multiple, or {key}."
        )


class Trunk(nn.Module):
    """A small trunk: a convolution that halves the side and a residual pair, for each stage."""

    def __init__(self, in_channels: int, channels: Sequence[int], strides: tuple[int, ...]) -> None:
        """Raise ValueError where there are not as many stages as the last stride needs."""
        super().__init__()
        levels = [each.bit_length() - 2 for each in strides]
        if levels[-1] >= len(channels):
            raise ValueError(
                f"Strides of {list(strides)}: the trunk halves {len(channels)} times, to a stride of "
                f"{2 ** len(channels)}. Give model.channels {levels[-1] + 1} widths."
            )
        self.levels = levels
        before = [in_channels, *channels]
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(before[index], width, 3, stride=2), _Residual(width))
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
        self.first, self.second = convolution(width, width // 2, 1), convolution(width // 2, width, 3)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.second(self.first(hidden))


def convolution(before: int, after: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution with batch norm and ReLU behind it."""
    layer = nn.Conv2d(before, after, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())


def _timm_trunk(name: str, in_channels: int, strides: tuple[int, ...], pretrained: bool) -> "TimmTrunk":
    import timm

    try:
        trunk = timm.create_model(
            name, features_only=True, in_chans=in_channels, pretrained=pretrained and not building_on_meta()
        )
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"model.trunk={name}: timm makes no trunk of it ({str(error).splitlines()[0]}).") from error
    return TimmTrunk(name, trunk, strides)


class TimmTrunk(nn.Module):
    """The maps of a timm network at the strides asked for."""

    def __init__(self, name: str, trunk: nn.Module, strides: tuple[int, ...]) -> None:
        super().__init__()
        offered = list(trunk.feature_info.reduction())  # type: ignore[operator, union-attr]
        if missing := [each for each in strides if each not in offered]:
            raise ValueError(
                f"model.trunk={name} has maps at strides {', '.join(map(str, offered))}, not {missing[0]}: "
                "choose among these."
            )
        self.chosen = [len(offered) - 1 - offered[::-1].index(each) for each in strides]
        widths = trunk.feature_info.channels()  # type: ignore[operator, union-attr]
        self.widths = [widths[each] for each in self.chosen]
        self.network = trunk

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.network(images)
        return [maps[each] for each in self.chosen]
