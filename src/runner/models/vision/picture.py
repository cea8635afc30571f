"""Painting: a network whose only weights are the pixels of one picture."""

import torch
from torch import Tensor, nn

STARTS = ("content", "noise")
# Grey with a little noise around it: what a painting begins with where it doesn't begin with the photograph.
GREY, SCATTER = 0.5, 0.1


class Painting(nn.Module):
    """Whatever comes in, float (1, channels, H, W) comes out: the pixels, from 0 to 1 in evaluation mode.

    Of three dimensions, so that channels last, which optimizers of flat gradients can't take, passes them by.

    Args:
        image_size: side of the grey square that it is until `begin` says otherwise.
        start: the pixels to begin with, `content` (the photograph) or `noise`.
    """

    def __init__(self, channels: int, image_size: int, start: str) -> None:
        super().__init__()
        if start not in STARTS:
            raise ValueError(f"model.start={start}: must be one of {', '.join(STARTS)}.")
        self.start = start
        self.pixels = nn.Parameter(torch.full((channels, image_size, image_size), GREY))

    def begin(self, shape: tuple[int, int], content: Tensor | None) -> None:
        """Take a shape (height, width) and the first pixels; `content` float (1, channels, height, width), if known."""
        noise = GREY + SCATTER * torch.randn(len(self.pixels), *shape)
        first = noise if self.start == "noise" or content is None else content[0].clone()
        self.pixels = nn.Parameter(first.to(self.pixels.device).contiguous(), self.pixels.requires_grad)

    def forward(self, inputs: Tensor) -> Tensor:
        return (self.pixels if self.training else self.pixels.clamp(0, 1))[None]
