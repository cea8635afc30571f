"""Random maps: shift, rotate, scale, shear, flip, crop and warp a batch, with other parameters for each image.

torchvision's v2 transforms draw one set of parameters per call: given a batch they move all its images alike,
and called image by image they cost a hundred times more. One batched sampling grid does what is wanted.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from runner.measure import nested
from runner.measure.nested import Nested

# Numbers of a box: its class and two corners.
BOX = 5
# The value of a mask's pixels that count for nothing.
IGNORED = 255
# What is left of a box within its image, as a share of it; less is no object to be found.
REST = 0.2
# Points along each side of a box that is warped.
POINTS = 5
# So many times a point's place is corrected; the displacement changes by less than itself from place to place.
ROUNDS = 8


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
    return move_images(images, matrices)


def move_images(images: Tensor, matrices: Tensor, field: Tensor | None = None) -> Tensor:
    """Return float (N, C, H, W) moved by `matrices` (N, 2, 3) and `field`; what comes in from outside is 0 (black).

    `field` (N, 2, H, W) are displacements of the result, see `random_fields`.
    """
    grid = _grid(matrices.to(images.device, images.dtype, non_blocking=True), field, images.shape[2:])
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def move_targets(targets: Nested, matrices: Tensor, size: tuple[int, int], field: Tensor | None = None) -> Nested:
    """Return targets moved as their images (N, C, height, width) were: boxes, masks, or a tuple or dict of such.

    Boxes are floats (N, most, 5), masks uint8 (N, height, width); any other tensor, such as classes, stays.
    """
    return nested.map_tensors(lambda each: _moved(each, matrices, size, field), targets)


def _moved(target: Tensor, matrices: Tensor, size: tuple[int, int], field: Tensor | None) -> Tensor:
    if target.is_floating_point() and target.dim() == 3 and target.shape[2] == BOX:
        return move_boxes(target, matrices, size, field)
    if target.dtype == torch.uint8 and target.dim() == 3 and target.shape[1:] == size:
        return move_masks(target, matrices, field)
    return target


def move_masks(masks: Tensor, matrices: Tensor, field: Tensor | None = None) -> Tensor:
    """Return uint8 (N, H, W), each pixel the nearest one's; what comes in from outside is `IGNORED`."""
    grid = _grid(matrices.to(masks.device, torch.float32), field, masks.shape[1:])
    # outside is 0 to grid_sample: `IGNORED` becomes 0 and all other values rise by one
    raised = (masks.to(torch.float32)[:, None] + 1) % (IGNORED + 1)
    moved = grid_sample(raised, grid, mode="nearest", padding_mode="zeros", align_corners=False)[:, 0]
    return ((moved + IGNORED) % (IGNORED + 1)).to(torch.uint8)


def move_boxes(boxes: Tensor, matrices: Tensor, size: tuple[int, int], field: Tensor | None = None) -> Tensor:
    """Return float (N, most, 5), each box the upright one around its four moved corners, cut at the image's edges.

    With a `field` it lies around points all over it, for its sides are bent.

    A box is (class, x1, y1, x2, y2), in pixels from the image's left upper corner, whose far corner is
    (width, height). Of a box that has left the image, but for a fifth, nothing remains but padding: class -1 and zeros.
    """
    height, width = size
    forward = _inverse(matrices.to(boxes.device, boxes.dtype))
    scale = boxes.new_tensor([width, height]) / 2
    shares = torch.linspace(0, 1, 2 if field is None else POINTS).to(boxes)
    xs, ys = (torch.lerp(boxes[..., axis, None], boxes[..., axis + 2, None], shares) for axis in (1, 2))
    points = torch.stack(torch.broadcast_tensors(xs[..., None, :], ys[..., :, None]), -1).flatten(2, 3)
    moved = torch.einsum("nij,nmcj->nmci", forward[:, :, :2], points / scale - 1) + forward[:, None, None, :, 2]
    if field is not None:
        moved = displaced(moved.flatten(1, 2), field).view_as(moved)
    pixels = (moved + 1) * scale
    limit = boxes.new_tensor([width, height])
    low, high = (each.clamp(min=0).minimum(limit) for each in (pixels.amin(2), pixels.amax(2)))
    whole = (pixels.amax(2) - pixels.amin(2)).prod(-1)
    left = (high - low).clamp(min=0).prod(-1)
    kept = (boxes[..., 0] >= 0) & (left > 0) & (left >= REST * whole)
    found = torch.cat([boxes[..., :1], low, high], dim=-1)
    return torch.where(kept[..., None], found, boxes.new_tensor([-1.0, 0, 0, 0, 0]))


def _grid(matrices: Tensor, field: Tensor | None, size: tuple[int, ...]) -> Tensor:
    """Return where each pixel of the result is fetched from, (N, height, width, 2)."""
    grid = sampling_grid(matrices, *size)
    return grid if field is None else grid + on_grid(field, matrices, (size[0], size[1]))


def _inverse(matrices: Tensor) -> Tensor:
    """(N, 2, 3): the maps from input to output positions; `matrices` lead from output to input."""
    turn = torch.linalg.inv(matrices[:, :, :2])
    return torch.cat([turn, -turn @ matrices[:, :, 2:]], dim=2)


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
