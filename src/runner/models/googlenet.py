"""The GoogLeNet-style teaching network: Inception blocks of parallel filters (Szegedy et al., 2014)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from runner.models.activation import activation_of
from runner.models.convolution import size_after_stages


class Inception(nn.Module):
    """Four parallel branches, joined on the channels: 1x1; 1x1-5x5; 1x1-3x3-3x3; average pool-1x1."""

    def __init__(self, in_channels: int, reduced: int = 16, widened: int = 24) -> None:
        super().__init__()
        self.branch1x1 = nn.Conv2d(in_channels, reduced, 1)
        self.branch5x5 = nn.Sequential(nn.Conv2d(in_channels, reduced, 1), nn.Conv2d(reduced, widened, 5, padding=2))
        self.branch3x3 = nn.Sequential(
            nn.Conv2d(in_channels, reduced, 1),
            nn.Conv2d(reduced, widened, 3, padding=1),
            nn.Conv2d(widened, widened, 3, padding=1),
        )
        self.branch_pool = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), nn.Conv2d(in_channels, widened, 1))
        self.out_channels = reduced + 3 * widened

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, in_channels, H, W) to float (N, out_channels, H, W); 88 channels by default."""
        branches = (self.branch1x1, self.branch5x5, self.branch3x3, self.branch_pool)
        return torch.cat([branch(features) for branch in branches], dim=1)


class GoogLeNet(nn.Module):
    """Convolution, 2x2 max pooling, ReLU and an Inception block for each width in `channels`, then linear."""

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_outputs: int,
        channels: Sequence[int] = (10, 20),
        kernel_size: int = 5,
        activation: str = "relu",
    ) -> None:
        """Raise ValueError when the images are too small for this many convolutions."""
        super().__init__()
        act = activation_of(activation)
        size = size_after_stages(image_size, kernel_size, len(channels))
        blocks = [Inception(width) for width in channels]
        inputs = [in_channels, *(block.out_channels for block in blocks)]
        layers: list[nn.Module] = []
        for before, width, block in zip(inputs, channels, blocks, strict=False):
            layers += [nn.Conv2d(before, width, kernel_size), nn.MaxPool2d(2), act(), block]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs[-1] * size**2, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, image_size, image_size) to float (N, num_outputs)."""
        return self.head(self.features(images).flatten(1))
