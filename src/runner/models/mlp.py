"""Multilayer perceptrons over table rows and over flattened images."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from runner.models.activation import activation_of


class MLP(nn.Module):
    """Linear layers with an activation between them; every input is flattened first."""

    def __init__(
        self, in_features: int, num_outputs: int, hidden: Sequence[int] = (64, 32), activation: str = "relu"
    ) -> None:
        """Raise ValueError for an unknown activation."""
        super().__init__()
        act = activation_of(activation)
        layers: list[nn.Module] = [nn.Flatten()]
        widths = [in_features, *hidden]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), act()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map float (N, …) with `in_features` values a sample to float (N, num_outputs)."""
        return self.head(self.features(inputs))


def image_mlp(
    in_channels: int,
    image_size: int,
    num_outputs: int,
    hidden: Sequence[int] = (512, 256, 128, 64),
    activation: str = "relu",
) -> MLP:
    """Build an `MLP` over every pixel of images (N, in_channels, image_size, image_size)."""
    return MLP(in_channels * image_size**2, num_outputs, hidden, activation)


class OneWeight(nn.Module):
    """y = w x: float (N, 1) to float (N, 1), the weight known at the `start`, so that every step can be followed."""

    def __init__(self, start: float = 1.0) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.head.weight, start)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs times the weight."""
        return self.head(inputs)
