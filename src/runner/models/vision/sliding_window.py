"""SlidingWindow: a classifier of small images that answers for every window of a large one in a single pass."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from runner.models.activation import activation_of


class SlidingWindow(nn.Module):
    """Float images (N, in_channels, window, window) to logits (N, num_outputs); larger ones to a map of logits.

    Its fully connected layers are written as convolutions: the first is as large as the features of one window. Nothing
    is padded, so each place of the map (N, num_outputs, h, w) is exactly what the network says of the window there;
    windows are `stride` pixels apart.

    Args:
        image_size: side of the window, the size of the images it is trained on.
        channels: width of each convolution of 3x3, with a pooling of 2x2 behind it.
        hidden: width of the first fully connected layer.

    Source: Sermanet et al., "OverFeat", arXiv:1312.6229, section 3.5.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_outputs: int,
        channels: Sequence[int] = (16, 32),
        hidden: int = 64,
        activation: str = "relu",
    ) -> None:
        """Raise ValueError for windows that leave nothing for the fully connected layer."""
        super().__init__()
        self.act = activation_of(activation)()
        self.window, self.stride, side = image_size, 2 ** len(channels), image_size
        for _ in channels:
            side = (side - 2) // 2
        if side < 1:
            raise ValueError(
                f"Windows of {image_size}x{image_size} are too small for {len(channels)} convolutions with poolings: "
                f"set data.image_size={3 * 2 ** len(channels) - 2} or more, or fewer model.channels."
            )
        before = [in_channels, *channels]
        self.features = nn.Sequential(
            *(_stage(before[index], width, activation_of(activation)()) for index, width in enumerate(channels)),
        )
        self.whole = nn.Conv2d(channels[-1], hidden, side)
        self.head = nn.Conv2d(hidden, num_outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of the one window, or of all."""
        found: Tensor = self.head(self.act(self.whole(self.features(images))))
        return found.flatten(1) if images.shape[2:] == (self.window, self.window) else found


def _stage(before: int, after: int, act: nn.Module) -> nn.Sequential:
    layer = nn.Conv2d(before, after, 3, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after), act, nn.MaxPool2d(2))


@torch.no_grad()
def windows(network: SlidingWindow, images: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the windows (P, 4) of several sizes, corners in pixels, and what the classifier says of each (N, P, C).

    The image is scaled such that each size becomes the network's window; one pass a size.

    Args:
        images: (N, in_channels, H, W), on which at least one window fits.
        sizes: sides of the windows in pixels of the image, none larger than the image.
    """
    boxes, logits = [], []
    for size in sizes:
        scale = network.window / size
        height, width = (round(each * scale) for each in images.shape[2:])
        scaled = images if scale == 1 else interpolate(images, (height, width), mode="bilinear", antialias=True)
        found = network(scaled)
        found = found[:, :, None, None] if found.dim() == 2 else found
        lines, columns = torch.meshgrid(torch.arange(found.shape[2]), torch.arange(found.shape[3]), indexing="ij")
        corner = torch.stack([columns, lines], dim=2).flatten(0, 1) * network.stride / scale
        boxes.append(torch.cat([corner, corner + size], dim=1))
        logits.append(found.flatten(2).transpose(1, 2))
    return torch.cat(boxes), torch.cat(logits, dim=1)
