"""Drawing: coloured shapes on uneven ground, with the box and the pixels of each; a seed decides everything."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SHAPES = ("circle", "square", "triangle")
# Half the side of a shape, as shares of the image's side.
SMALLEST, LARGEST = 0.08, 0.2
# An object of which less than this can be seen is taken for hidden.
VISIBLE = 0.3
# One picture of so many has no object.
EMPTY = 16
# Apart from the ground by so much in some channel, of 255.
CONTRAST = 60.0
# Pictures drawn at once; bounds the memory.
AT_ONCE = 64
SCENE = ("images", "boxes", "masks", "objects")


@dataclass(frozen=True)
class Scenes:
    """Pictures with what is in them.

    Attributes:
        images: uint8 (N, 3, size, size).
        boxes: float32 (N, most, 5): class and corners in pixels of every object that can be seen, also of the parts
            that others hide; class -1 is padding.
        masks: uint8 (N, size, size): 0 for the ground, else 1 + the class of the object in front.
        objects: uint8 (N, size, size): 0 where no object of `boxes` is in front, else 1 + its row there.
    """

    images: Tensor
    boxes: Tensor
    masks: Tensor
    objects: Tensor


def draw(count: int, size: int, *, most: int, noise: float, seed: int) -> Scenes:
    """Return `count` pictures of `size` x `size` pixels with up to `most` objects each; some have none.

    Args:
        noise: standard deviation of what is added to every pixel, of 255.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [_draw(min(AT_ONCE, count - start), size, most, noise, generator) for start in range(0, count, AT_ONCE)]
    return Scenes(*(torch.cat([getattr(part, name) for part in parts]) for name in SCENE))


def _draw(count: int, size: int, most: int, noise: float, generator: torch.Generator) -> Scenes:
    images = _ground(count, size, generator).flatten(2)
    owners = torch.full((count, size * size), -1, dtype=torch.int64)
    objects = torch.randint(1, most + 1, (count,), generator=generator)
    objects[torch.rand(count, generator=generator) < 1 / EMPTY] = 0
    classes = torch.randint(len(SHAPES), (count, most), generator=generator)
    corners, areas = torch.zeros(count, most, 4), torch.zeros(count, most)
    for number in range(most):
        pixels, cover, corner = _shape(classes[:, number], size, generator)
        cover[objects <= number] = 0
        everywhere = pixels[:, None].expand(-1, 3, -1)
        below = images.gather(2, everywhere)
        colours = _colours(below, cover, generator)
        images.scatter_(2, everywhere, torch.lerp(below, colours[:, :, None].expand_as(below), cover[:, None]))
        owners.scatter_(1, pixels, torch.where(cover > 0.5, number, owners.gather(1, pixels)))
        areas[:, number] = (cover > 0.5).sum(1)
        corners[:, number] = _corners((cover > 0.5).unflatten(1, (-1, math.isqrt(cover.shape[1])))) + corner.repeat(
            1, 2
        )
    images += noise * torch.randn(images.shape, generator=generator)
    seen = torch.stack([(owners == number).sum(1) for number in range(most)], 1) / areas.clamp(min=1)
    boxes = torch.cat([classes[:, :, None].float(), corners], 2)
    boxes[(seen < VISIBLE) | (areas == 0)] = boxes.new_tensor([-1.0, 0, 0, 0, 0])
    masks = torch.where(owners < 0, 0, 1 + classes.gather(1, owners.clamp(min=0)))
    square = (size, size)
    pixels = images.round_().clamp_(0, 255).to(torch.uint8).unflatten(2, square)
    order = (boxes[:, :, 0] < 0).int().argsort(dim=1, stable=True)  # the padding last
    rows = torch.where(boxes[:, :, 0] < 0, 0, 1 + order.argsort(1))
    objects = torch.where(owners < 0, 0, rows.gather(1, owners.clamp(min=0)))
    boxes = boxes.gather(1, order[:, :, None].expand_as(boxes))
    return Scenes(pixels, boxes, *(each.to(torch.uint8).unflatten(1, square) for each in (masks, objects)))


def _ground(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return float (count, 3, size, size): a smooth pattern of colours for each picture."""
    coarse = 40 + 175 * torch.rand(count, 3, 1, 1, generator=generator)
    coarse = coarse + 30 * torch.randn(count, 3, 3, 3, generator=generator)
    return interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True).clamp_(0, 255)


def _shape(classes: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return one shape for each picture, within a window that holds the largest.

    The window's pixels int64 (N, window²), numbered over the picture; how much of each the shape covers, float of the
    same shape, from 0 to 1; and the window's left upper corner (x, y), int64 (N, 2).
    """
    count, window = len(classes), min(size, 2 * math.ceil(LARGEST * size) + 3)
    radius = (SMALLEST + (LARGEST - SMALLEST) * torch.rand(count, generator=generator)) * size
    centre = radius + (size - 2 * radius) * torch.rand(2, count, generator=generator)
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    corner = (centre - window / 2).round().long().clamp_(0, size - window)
    x, y = corner[:, :, None] + torch.arange(window)
    right, down = (x - centre[0, :, None] + 0.5)[:, None, :], (y - centre[1, :, None] + 0.5)[:, :, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    distance = _distance(classes, cos * right + sin * down, cos * down - sin * right, radius[:, None, None])
    pixels = y[:, :, None] * size + x[:, None, :]
    return pixels.flatten(1), (0.5 - distance).clamp_(0, 1).flatten(1), corner.T


def _distance(classes: Tensor, along: Tensor, across: Tensor, radius: Tensor) -> Tensor:
    """Return the distance of positions to the outline of a shape of each class, negative inside it, in pixels."""
    circle = (along**2 + across**2).sqrt() - radius
    square = torch.maximum(along.abs(), across.abs()) - radius * 0.8
    triangle = torch.maximum(math.sqrt(3) / 2 * along.abs() + across / 2, -across) - radius / 2
    which = classes[:, None, None]
    return torch.where(which == 0, circle, torch.where(which == 1, square, triangle))


def _colours(below: Tensor, cover: Tensor, generator: torch.Generator) -> Tensor:
    """Return a colour for each shape, float (N, 3), that differs from what it covers, `below` float (N, 3, pixels)."""
    ground = torch.einsum("ncp,np->nc", below, cover) / cover.sum(1, keepdim=True).clamp(min=1e-6)
    colours = 255 * torch.rand(len(below), 3, generator=generator)
    near = (colours - ground).abs().amax(1) < CONTRAST
    colours[near] = (ground[near] + 128) % 256
    return colours


def _corners(inside: Tensor) -> Tensor:
    """Return x1, y1, x2, y2 around the pixels that are set, float (N, 4); zeros where none is."""
    size = inside.shape[1]
    found = []
    for occupied in (inside.any(1), inside.any(2)):  # columns, then rows
        first = occupied.int().argmax(1)
        last = size - occupied.flip(1).int().argmax(1)
        found.append(torch.stack([first, last], 1) * occupied.any(1, keepdim=True))
    return torch.stack([found[0], found[1]], 2).flatten(1).float()
