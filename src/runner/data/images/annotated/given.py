"""What was found in a square, pixel by pixel, in the picture that it was made of."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from runner.data.images.geometry.affine import IGNORED
from runner.data.images.geometry.placement import Placement

# Lines of a picture that get their classes at once: bounds the memory.
BAND = 256


def as_given(place: Placement, scores: Tensor, choose: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Return what `choose` makes of the scores (C, any, any) of a picture's pixels, uint8 (height, width).

    `scores` float (C, size, size) are of its square; between pixels they are interpolated. What the square had no room
    for is `IGNORED`.
    """
    xs, ys = (torch.from_numpy(each).float() for each in (place.targets(0), place.targets(1)))
    found = np.full((place.height, place.width), IGNORED, dtype=np.uint8)
    inside_x, inside_y = ((each >= 0) & (each < place.size) for each in (xs, ys))
    columns = inside_x.nonzero().flatten()
    for rows in inside_y.nonzero().flatten().split(BAND):
        grid = torch.stack(torch.meshgrid(xs[columns], ys[rows], indexing="xy"), -1) * (2 / place.size) - 1
        values = grid_sample(scores.float()[None], grid[None], padding_mode="border", align_corners=False)
        found[rows[:, None], columns] = choose(values[0]).to(torch.uint8).numpy()
    return found
