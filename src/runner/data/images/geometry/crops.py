"""Random crops as maps: of a padded image in whole pixels, or of a part of it that is resized to the whole."""

import math

import torch
from torch import Tensor


def random_crops(count: int, size: tuple[int, int], *, padding: float, area: float, aspect: float) -> Tensor:
    """Return float32 (count, 2, 3): maps from output to input positions, in the coordinates of `affine_grid`.

    The part that is kept has a share of the area, uniform from `area` to 1, and sides whose ratio differs from the
    image's by a factor between 1 / `aspect` and `aspect` (logarithmically); it lies inside. It then moves by whole
    pixels, up to ±`padding`, a whole number, on each axis. Drawn from torch's global generator on the CPU.

    Source: Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, section 6 (area and aspect); He et al.,
    "Deep Residual Learning", arXiv:1512.03385, section 4.2 (padding).
    """
    draw = torch.rand(6, count)
    kept = area + (1 - area) * draw[0]
    ratio = (math.log(aspect) * (2 * draw[1] - 1)).exp()
    sides = [(kept * ratio).sqrt().clamp(max=1), (kept / ratio).sqrt().clamp(max=1)]
    places = [(1 - side) * (2 * each - 1) for side, each in zip(sides, draw[2:4], strict=True)]
    steps = ((2 * padding + 1) * draw[4:]).floor() - padding
    height, width = size
    shifts = [steps[0] * (2 / width), steps[1] * (2 / height)]
    zero = torch.zeros(count)
    across = torch.stack([sides[0], zero, places[0] + sides[0] * shifts[0]], 1)
    down = torch.stack([zero, sides[1], places[1] + sides[1] * shifts[1]], 1)
    return torch.stack([across, down], 1)


def composed(first: Tensor, then: Tensor) -> Tensor:
    """Return the map (N, 2, 3) that asks `then` first: what `first` makes of an image, moved on by `then`."""
    turn = first[:, :, :2] @ then[:, :, :2]
    offset = first[:, :, :2] @ then[:, :, 2:] + first[:, :, 2:]
    return torch.cat([turn, offset], 2)
