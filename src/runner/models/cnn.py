"""The small convolutional network: two rounds of convolution, pooling and ReLU."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from runner.models.activation import activation_of
from runner.models.convolution import size_after_stages


class CNN(nn.Module):
    """One convolution, 2x2 max pooling and activation for each width in `channels`, then a linear layer."""

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_outputs: int,
        channels: Sequence[int] = (10, 20),
        kernel_size: int = 5,
        activation: str = "relu",
    ) -> None:
        """Raise ValueError when the images are too small for this many convolutions, or for an unknown activation."""
        super().__init__()
        act = activation_of(activation)
        size = size_after_stages(image_size, kernel_size, len(channels))
        layers: list[nn.Module] = []
        for before, after in pairwise([in_channels, *channels]):
            layers += [nn.Conv2d(before, after, kernel_size), nn.MaxPool2d(2), act()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1] * size**2, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, image_size, image_size) to float (N, num_outputs)."""
        return self.head(self.features(images).flatten(1))
