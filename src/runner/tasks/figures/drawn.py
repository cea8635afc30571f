"""Drawn pictures: photographs in their own size with boxes or masks on them, and masks as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from runner.tasks.figures.overlays import colour, instances, overlay

CORNERS = ("x1", "y1", "x2", "y2")
# Lines and letters, as shares of a picture's shorter side, and the least they are in pixels.
LINE, LETTER = (1 / 200, 2), (1 / 30, 11)


def with_boxes(picture: Image.Image, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Image.Image:
    """Return a picture (RGB) with a box for each row, in the colour of its class, with its name and score.

    Rows hold `class`, `score` and the corners `x1`, `y1`, `x2`, `y2` in pixels; the best score lies on top.
    """
    drawn, side = picture.copy(), min(picture.size)
    pen, line = ImageDraw.Draw(drawn), _pixels(side, LINE)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", _pixels(side, LETTER))
    for row in sorted(rows, key=lambda each: each["score"]):
        shade = tuple(round(255 * part) for part in colour(list(names).index(row["class"])))
        x1, y1, x2, y2 = (row[key] for key in CORNERS)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=shade, width=line)
        text = f"{row['class']} {row['score']:.2f}"
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        width, height = right - left + 2 * line, bottom - top + 2 * line
        x = min(max(x1, 0), max(picture.width - width, 0))
        y = y1 - height if y1 >= height else y1
        pen.rectangle((x, y, x + width, y + height), fill=shade)
        dark = sum(weight * part for weight, part in zip((0.3, 0.59, 0.11), shade, strict=True)) < 140
        pen.text((x + line - left, y + line - top), text, fill="white" if dark else "black", font=font)
    return drawn


def with_objects(
    picture: Image.Image, objects: np.ndarray, rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Image.Image:
    """Return a picture (RGB) with a box for each row, and the row's pixels under its colour and outlined.

    `objects` uint8 (height, width) are 1 + the row that a pixel belongs to; 0 and 255 are no object.
    """
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    labels = torch.tensor([[list(names).index(row["class"]) for row in rows]], dtype=torch.int64)
    painted = instances(pixels, torch.from_numpy(objects)[None], labels, _pixels(min(picture.size), LINE))
    return with_boxes(_image(painted[0]), rows, names)


def with_mask(picture: Image.Image, mask: np.ndarray, names: Sequence[str]) -> Image.Image:
    """Return a picture (RGB) half covered by the colours of a mask uint8 (height, width), with white outlines.

    Class 0 and 255 stay as they are; a line below names the colours of the others.
    """
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    side = min(picture.size)
    covered = overlay(pixels, torch.from_numpy(mask)[None], _pixels(side, LINE))
    drawn = _image(covered[0])
    pen = ImageDraw.Draw(drawn)
    size = _pixels(side, LETTER)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
    x, y = size // 2, picture.height - size - size // 2
    for index in sorted({*np.unique(mask).tolist()} & set(range(1, len(names)))):
        shade = tuple(round(255 * part) for part in colour(index))
        pen.rectangle((x, y, x + size, y + size), fill=shade, outline="white")
        pen.text((x + size + size // 3, y), names[index], fill="white", font=font, stroke_width=1, stroke_fill="black")
        x += 2 * size + round(pen.textlength(names[index], font=font))
    return drawn


def mask_image(mask: np.ndarray) -> Image.Image:
    """Return a mask uint8 (height, width) as a picture of indices, with the colours of the classes for viewers."""
    image = Image.fromarray(mask).convert("P")
    image.frombytes(mask.tobytes())
    shades = [(0.0, 0.0, 0.0), *(colour(index) for index in range(1, 255)), (0.88, 0.88, 0.75)]
    image.putpalette([round(255 * part) for shade in shades for part in shade])
    return image


def _pixels(side: int, share: tuple[float, int]) -> int:
    return max(share[1], round(side * share[0]))


def _image(pixels: torch.Tensor) -> Image.Image:
    """Return float (3, height, width) from 0 to 1 as a picture."""
    return Image.fromarray((pixels * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
