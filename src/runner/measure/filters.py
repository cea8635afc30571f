"""Filters: the arithmetic of convolution spelled out, and the kernels that find edges."""

import torch
from torch import Tensor
from torch.nn.functional import pad, unfold

_SIDES = {"": (1.0, 1.0, 1.0), "sobel_": (1.0, 2.0, 1.0), "scharr_": (3.0, 10.0, 3.0)}
# 3x3 kernels by name: the left column less the right one, which is positive from bright to dark; and lines likewise.
EDGES = {
    **{f"{name}vertical": torch.tensor([[side, 0.0, -side] for side in sides]) for name, sides in _SIDES.items()},
    **{f"{name}horizontal": torch.tensor([[side, 0.0, -side] for side in sides]).T for name, sides in _SIDES.items()},
}


def correlate(images: Tensor, kernels: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Return (N, out, height, width): each window's sum of products with each kernel, over all channels.

    That is what networks call convolution; the kernel isn't flipped. Windows that overhang are dropped.

    Args:
        images: float (N, in, H, W).
        kernels: float (out, in, k, l).
        padding: zeros put around.
    """
    windows = unfold(images, kernels.shape[2:], padding=padding, stride=stride)  # (N, in * k * l, places)
    height = (images.shape[2] + 2 * padding - kernels.shape[2]) // stride + 1
    return (kernels.flatten(1) @ windows).unflatten(2, (height, -1))


def transpose_correlate(
    images: Tensor, kernels: Tensor, *, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Return (N, out, height, width): every number times the whole kernel, put `stride` apart, overlaps added.

    The transpose of `correlate`: `padding` lines are cut off at each edge, `output_padding` put to the right and below.

    Args:
        images: float (N, in, H, W).
        kernels: float (in, out, k, l).
    """
    count, _, height, width = images.shape
    _, out, tall, wide = kernels.shape
    whole = images.new_zeros(
        count, out, (height - 1) * stride + tall + output_padding, (width - 1) * stride + wide + output_padding
    )
    for y in range(height):
        for x in range(width):
            stamp = torch.einsum("ni,iokl->nokl", images[:, :, y, x], kernels)
            whole[:, :, y * stride : y * stride + tall, x * stride : x * stride + wide] += stamp
    return pad(whole, [-padding] * 4)
