"""Random affine maps: shift, rotate, scale, shear and flip a batch, with other parameters for each image.

torchvision's v2 transforms draw one set of parameters per call: given a batch they move all its images alike,
and called image by image they cost a hundred times more. One batched sampling grid does what is wanted.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def random_matrices(
    count: int, size: tuple[int, int], *, shift: float, rotate: float, scale: float, shear: float, flip: float
) -> Tensor:
    """Return float32 (count, 2, 3): maps from output to input positions, in the coordinates of `affine_grid`.

    Each of the parameters is uniform in its range: shift up to ±`shift` pixels on each axis, rotation up to
    ±`rotate` degrees, size times 1 ± `scale`, horizontal shear up to ±`shear` degrees; mirrored left to right
    with probability `flip`. Drawn from torch's global generator on the CPU, so a seed fixes them on any device.
    """
    draw = torch.rand(6, count).mul_(2).sub_(1)
    angle, slant = draw[0] * math.radians(rotate), (draw[1] * math.radians(shear)).tan()
    zoom = 1 / (1 + draw[2] * scale)
    mirror = torch.where(draw[3] < 2 * flip - 1, -1.0, 1.0)
    height, width = size
    # Positions run from -1 to 1 over either side; the aspect keeps a rotation a rotation on oblong images.
    aspect = height / width
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [
        [mirror * cos, (slant * cos - sin) * aspect * mirror, draw[4] * (2 * shift / width)],
        [sin / aspect, cos + slant * sin, draw[5] * (2 * shift / height)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def random_affine(
    images: Tensor,
    *,
    shift: float = 0.0,
    rotate: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    flip: float = 0.0,
) -> Tensor:
    """Transform float (N, C, H, W) to the same shape, bilinear; what comes in from outside is 0 (black)."""
    height, width = images.shape[2:]
    matrices = random_matrices(
        len(images), (height, width), shift=shift, rotate=rotate, scale=scale, shear=shear, flip=flip
    )
    grid = sampling_grid(matrices.to(images.device, images.dtype, non_blocking=True), height, width)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def sampling_grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """Turn (N, 2, 3) into (N, height, width, 2) as `affine_grid(…, align_corners=False)` does, several times faster.

    Position (x, y) is the sum of a part that x decides and a part that y decides, so that one broadcast addition
    fills the grid, where `affine_grid` copies the base grid for every image and multiplies matrices. Both
    coordinates are laid out as planes, which `grid_sample` reads as they are.
    """
    xs, ys = (_centres(size).to(matrices) for size in (width, height))
    from_x, from_y, offset = matrices.unbind(2)
    columns = from_x[:, :, None] * xs
    lines = torch.addcmul(offset[:, :, None], from_y[:, :, None], ys)
    return (lines[:, :, :, None] + columns[:, :, None, :]).permute(0, 2, 3, 1)


def _centres(size: int) -> Tensor:
    """Return positions of the pixels' centres along one side, which runs from -1 to 1."""
    return (torch.arange(size) * 2 + 1) / size - 1
