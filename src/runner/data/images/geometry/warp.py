"""Local warps: smooth random displacements, other ones for each image, and where points go by them."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

# So many times a point's place is corrected; the displacement changes by less than itself from place to place.
ROUNDS = 8


def random_fields(count: int, size: tuple[int, int], *, pixels: float, spacing: float) -> Tensor:
    """Return float32 (count, 2, height, width): displacements along x and y, in the coordinates of `affine_grid`.

    They are uniform up to ±`pixels` at points `spacing` pixels apart and bicubic between, so that neighbours move
    alike. Drawn from torch's global generator on the CPU.

    Source: Simard et al., "Best Practices for Convolutional Neural Networks", 2003, with interpolation in place of a
    Gaussian.
    """
    height, width = size
    points = [max(2, round(side / spacing) + 1) for side in size]
    coarse = 2 * torch.rand(count, 2, *points) - 1
    fine = interpolate(coarse, size=size, mode="bicubic", align_corners=True).clamp(-1, 1)
    return fine * torch.tensor([2 * pixels / width, 2 * pixels / height])[:, None, None]


def on_grid(field: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """Return what displacements add to a sampling grid of maps (N, 2, 3): (N, height, width, 2)."""
    sized = field if field.shape[2:] == size else interpolate(field, size=size, mode="bilinear", align_corners=False)
    return torch.einsum("nij,njhw->nhwi", matrices[:, :, :2], sized.to(matrices))


def displaced(points: Tensor, field: Tensor) -> Tensor:
    """Return where points (N, m, 2) of an image go whose pixels are fetched from a displacement further on.

    A pixel p shows what was at p + field(p): its inverse is found by fixed-point iteration.
    """
    moved = points
    for _ in range(ROUNDS):
        sampled = grid_sample(field.to(points), moved[:, None], padding_mode="border", align_corners=False)
        moved = points - sampled[:, :, 0].mT
    return moved
