"""UNet: an encoder, a decoder of transposed convolutions, and skips that concatenate what the encoder saw."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Two convolutions on each level; half the side and more channels below, and the way back up.

    Args:
        channels: width of each level, from the top; every level but the first halves the side.

    Source: Ronneberger et al., "U-Net", arXiv:1505.04597; convolutions are padded and batch-normalised here, so that
    the answer has the size of the image.
    """

    def __init__(
        self, in_channels: int, image_size: int, num_outputs: int, channels: Sequence[int] = (16, 32, 64, 128)
    ) -> None:
        """Raise ValueError where the levels don't halve the image evenly."""
        super().__init__()
        stride = 2 ** (len(channels) - 1)
        if image_size % stride:
            fitting = max(1, round(image_size / stride)) * stride
            raise ValueError(
                f"Images of {image_size}x{image_size} can't be halved {len(channels) - 1} times: set "
                f"data.image_size={fitting} or another multiple of {stride}, or give model.channels fewer levels."
            )
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(_block(before, after) for before, after in pairwise([in_channels, *channels]))
        upwards = list(pairwise(reversed(channels)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for below, above in upwards)
        self.decoder = nn.ModuleList(_block(2 * above, above) for _, above in upwards)
        self.head = nn.Conv2d(channels[0], num_outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, H, W) to logits float (N, num_outputs, H, W)."""
        skips: list[Tensor] = []
        hidden = images
        for level, block in enumerate(self.encoder):
            hidden = block(self.pool(hidden) if level else hidden)
            skips.append(hidden)
        skips.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            hidden = block(torch.cat([skips.pop(), up(hidden)], dim=1))
        return self.head(hidden)


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for given in (before, after):
        layers += [nn.Conv2d(given, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
