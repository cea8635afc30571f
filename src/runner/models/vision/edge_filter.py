"""EdgeFilter: one convolution without a bias, whose nine numbers are all there is to learn."""

from torch import Tensor, nn


class EdgeFilter(nn.Module):
    """Images float (N, in_channels, H, W) to responses float (N, 1, H - 2, W - 2)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(in_channels, 1, 3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.filter(images)
