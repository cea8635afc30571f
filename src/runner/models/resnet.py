"""The residual teaching network: blocks that learn what to add to their input (He et al., 2015)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from runner.models.activation import activation_of
from runner.models.convolution import size_after_stages


class ResidualBlock(nn.Module):
    """act(x + conv3(act(conv3(x)))), with the shape kept; the activation is ReLU unless another is chosen."""

    def __init__(self, channels: int, activation: str = "relu") -> None:
        super().__init__()
        act = activation_of(activation)
        self.residual = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            act(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.relu = act()

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, channels, H, W) to the same shape."""
        return self.relu(features + self.residual(features))


class ResidualNet(nn.Module):
    """Convolution, activation, 2x2 max pooling and a residual block for each width in `channels`, then linear."""

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_outputs: int,
        channels: Sequence[int] = (16, 32),
        kernel_size: int = 5,
        activation: str = "relu",
    ) -> None:
        """Raise ValueError when the images are too small for this many convolutions, or for an unknown activation."""
        super().__init__()
        act = activation_of(activation)
        size = size_after_stages(image_size, kernel_size, len(channels))
        layers: list[nn.Module] = []
        for before, after in pairwise([in_channels, *channels]):
            layers += [nn.Conv2d(before, after, kernel_size), act(), nn.MaxPool2d(2)]
            layers += [ResidualBlock(after, activation)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1] * size**2, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, image_size, image_size) to float (N, num_outputs)."""
        return self.head(self.features(images).flatten(1))
