"""Overlays: images with what was found in them, beside what is there."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor
from torch.nn.functional import max_pool2d
from torchvision.utils import draw_bounding_boxes

# Images in one figure, and pairs in a line of it.
SHOWN, PAIRS = 8, 2
STRENGTH = 0.5
# Inches of an image's side, and of the lines above and below.
SIDE, LINE = 2.2, 0.3
# How scores are written: white with a dark rim, to be read on any ground.
RIM = [withStroke(linewidth=1.2, foreground="black")]
SCORE: dict[str, Any] = {"fontsize": 6, "color": "white", "va": "bottom", "clip_on": True, "path_effects": RIM}


def colour(index: int) -> tuple[float, float, float]:
    """Return the colour of a class, RGB from 0 to 1: ten strong ones, ten pale ones, and the same again."""
    red, green, blue, _ = colormaps["tab20"]((2 * index + index // 10) % 20)
    return red, green, blue


def masks(images: Tensor, true: Tensor, predicted: Tensor, names: Sequence[str]) -> Figure:
    """Draw each image twice, with its true and its predicted mask; class 0 stays as it is.

    `images` are float (n, 1 or 3, h, w) from 0 to 1, masks uint8 (n, h, w).
    """
    pairs = torch.stack([overlay(images, true), overlay(images, predicted)], 1).flatten(0, 1)
    found = sorted({*true.unique().tolist(), *predicted.unique().tolist()} & set(range(1, len(names))))
    return in_pairs(pairs, [(names[index], colour(index)) for index in found])


def in_pairs(images: Tensor, legend: Sequence[tuple[str, tuple[float, float, float]]]) -> Figure:
    """Draw images float (2n, 3, h, w) as n pairs of true and predicted, with names for colours below."""
    columns = 2 * PAIRS
    lines = math.ceil(len(images) / columns)
    height, width = images.shape[2:]
    inches = lines * SIDE * height / width + 2 * LINE
    figure = Figure(figsize=(columns * SIDE, inches), dpi=100)
    bottom, top = LINE / inches, 1 - LINE / inches
    axes = figure.add_axes((0, bottom, 1, top - bottom))
    axes.set_axis_off()
    blank = images.new_ones(columns * lines - len(images), *images.shape[1:])
    grid = (
        torch.cat([images, blank]).unflatten(0, (lines, columns)).permute(0, 3, 1, 4, 2).reshape(lines * height, -1, 3)
    )
    axes.imshow(grid.numpy(), aspect="auto", vmin=0, vmax=1)
    for column in range(columns):
        axes.axvline(column * width - 0.5, color="white", linewidth=3 if column % 2 == 0 else 1)
        word = "predicted" if column % 2 else "true"
        figure.text((column + 0.5) / columns, 1 - LINE / inches / 2, word, ha="center", va="center", fontsize=9)
    handles = [Patch(color=shade, label=name) for name, shade in legend]
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=min(len(handles), 8), frameon=False, fontsize=8)
    return figure


def overlay(images: Tensor, mask: Tensor, width: int = 1) -> Tensor:
    """Return float (n, 3, h, w): images half covered by the colours of their classes, outlined white, `width` pixels.

    Class 0 and what counts for nothing (255) are not coloured.
    """
    palette = torch.tensor([(0.0, 0.0, 0.0), *(colour(index) for index in range(1, 256))], dtype=torch.float32)
    coloured = (mask > 0) & (mask < 255)
    shades = palette[mask.long()].movedim(3, 1)
    covered = torch.lerp(images.expand(-1, 3, -1, -1), shades, STRENGTH * coloured[:, None].float())
    return covered.masked_fill(outline(mask, width)[:, None], 1.0)


def instances(images: Tensor, objects: Tensor, labels: Tensor, width: int = 1) -> Tensor:
    """Return float (n, 3, h, w): images half covered by the colours of their objects' classes, each outlined white.

    `objects` uint8 (n, h, w) are 1 + the row of `labels` (n, most), -1 being padding; 0 and 255 are no object.
    """
    rows = torch.cat([labels.new_full((len(labels), 1), -1), labels], 1).long()
    objects = objects.long().masked_fill(objects >= rows.shape[1], 0)
    found = rows.gather(1, objects.flatten(1)).view_as(objects)
    palette = torch.tensor([colour(index) for index in range(256)], dtype=torch.float32)
    shades = palette[found.clamp(min=0)].movedim(3, 1)
    covered = torch.lerp(images.expand(-1, 3, -1, -1), shades, STRENGTH * (found >= 0)[:, None].float())
    return covered.masked_fill(outline(objects.masked_fill(found < 0, 0), width)[:, None], 1.0)


def outline(mask: Tensor, width: int = 1) -> Tensor:
    """Return bool (n, h, w): pixels at most `width` away from a region of a higher class (its dilation less itself)."""
    classes = mask.float()[:, None].masked_fill((mask == 255)[:, None], 0)
    wide = classes
    for _ in range(width):
        wide = max_pool2d(wide, 3, stride=1, padding=1)
    return (wide != classes)[:, 0]


def boxed(images: Tensor, boxes: Tensor) -> Tensor:
    """Return images float (n, 3, h, w) from 0 to 1 with their boxes (n, most, 5) in the colours of their classes."""
    drawn = (images.expand(-1, 3, -1, -1) * 255).round().to(torch.uint8)
    for index, rows in enumerate(boxes):
        rows = rows[rows[:, 0] >= 0]
        shades = [tuple(round(255 * part) for part in colour(int(row[0]))) for row in rows]
        if len(rows):
            drawn[index] = draw_bounding_boxes(drawn[index], rows[:, 1:], colors=shades)
    return drawn.float() / 255


def boxes(images: Tensor, true: Tensor, found: Tensor, names: Sequence[str]) -> Figure:
    """Draw each image twice, with its true and with its found boxes, these with their scores.

    `images` are float (n, 1 or 3, h, w) from 0 to 1, `true` (n, most, 5) class and corners, `found` (n, most, 6)
    corners, score and class; class -1 is padding.
    """
    twice = images.expand(-1, 3, -1, -1).repeat_interleave(2, 0)
    return _with_boxes(twice, true, found, names)


def objects(images: Tensor, true: tuple[Tensor, Tensor], found: tuple[Tensor, Tensor], names: Sequence[str]) -> Figure:
    """Draw each image twice, with the pixels and boxes of its true and of its found objects, these with their scores.

    `images` are float (n, 1 or 3, h, w) from 0 to 1; `true` and `found` are boxes as `boxes` takes them, and uint8
    (n, h, w), 1 + the row of the box that a pixel belongs to.
    """
    painted = instances(images, true[1], true[0][..., 0]), instances(images, found[1], found[0][..., 5])
    return _with_boxes(torch.stack(painted, 1).flatten(0, 1), true[0], found[0], names)


def _with_boxes(pairs: Tensor, true: Tensor, found: Tensor, names: Sequence[str]) -> Figure:
    height, width = pairs.shape[2:]
    seen = {int(each) for each in (*true[..., 0].unique(), *found[..., 5].unique()) if each >= 0}
    figure = in_pairs(pairs, [(names[index], colour(index)) for index in sorted(seen)])
    axes = figure.axes[0]
    for index in range(len(pairs) // 2):
        real = [(int(row[0]), row[1:], "") for row in true[index] if row[0] >= 0]
        guessed = [(int(row[5]), row[:4], f"{row[4]:.2f}") for row in found[index] if row[5] >= 0]
        for place, rows in ((2 * index, real), (2 * index + 1, guessed)):
            left, top = place % (2 * PAIRS) * width - 0.5, place // (2 * PAIRS) * height - 0.5
            for label, corners, text in rows:
                x1, y1, x2, y2 = corners.tolist()
                shade = colour(label)
                axes.add_patch(
                    Rectangle((left + x1, top + y1), x2 - x1, y2 - y1, fill=False, color=shade, linewidth=1.5)
                )
                axes.text(left + x1, top + y1, text, **SCORE)
    return figure
