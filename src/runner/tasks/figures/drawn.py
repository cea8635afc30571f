"""Drawn pictures: photographs in their own size with boxes or masks on them, and masks as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from runner.tasks.figures.overlays import colour, instances, overlay

Corners = tuple[float, float, float, float]
CORNERS = ("x1", "y1", "x2", "y2")
# Lines and letters, as shares of a picture's shorter side, and the least they are in pixels.
LINE, LETTER = (1 / 200, 2), (1 / 30, 11)


def with_boxes(picture: Image.Image, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Image.Image:
    """Return a picture (RGB) with a box for each row, in the colour of its class, with its name and score.

    Rows hold `class`, `score` and the corners `x1`, `y1`, `x2`, `y2` in pixels; the best score lies on top, and names
    stand where they hide no better one's, as far as there is room.
    """
    drawn, side = picture.copy(), min(picture.size)
    pen, line = ImageDraw.Draw(drawn), _pixels(side, LINE)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", _pixels(side, LETTER))
    places: list[Corners] = []
    best_first = sorted(rows, key=lambda each: -each["score"])
    for row in best_first:
        left, top, right, bottom = pen.textbbox((0, 0), _text(row), font=font)
        size = right - left + 2 * line, bottom - top + 2 * line
        places.append(_label_place(tuple(row[key] for key in CORNERS), size, picture.size, places))
    shades = [_shade(list(names).index(row["class"])) for row in best_first]
    for row, shade in reversed([*zip(best_first, shades, strict=True)]):
        x1, y1, x2, y2 = (row[key] for key in CORNERS)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=shade, width=line)
    for row, shade, place in reversed([*zip(best_first, shades, places, strict=True)]):
        left, top, *_ = pen.textbbox((0, 0), _text(row), font=font)
        pen.rectangle(place, fill=shade)
        dark = sum(weight * part for weight, part in zip((0.3, 0.59, 0.11), shade, strict=True)) < 140
        pen.text((place[0] + line - left, place[1] + line - top), _text(row), "white" if dark else "black", font)
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
        shade = _shade(index)
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


def _label_place(box: Corners, size: tuple[float, float], picture: tuple[int, int], taken: list[Corners]) -> Corners:
    """Return where the name of a box stands: outside of it where that is in the picture, and hides none in `taken`."""
    x1, y1, x2, y2 = box
    width, height = size
    above, below, last = y1 - height, y2, max(picture[0] - width, 0)
    left, right = (min(max(each, 0), last) for each in (x1, x2 - width))
    ways = [(left, above), (left, below), (right, above), (right, below), (left, y1)]
    fitting = [(x, y, x + width, y + height) for x, y in ways if 0 <= y <= picture[1] - height] or [
        (left, y1, left + width, y1 + height)
    ]
    return next((each for each in fitting if not any(_overlap(each, other) for other in taken)), fitting[0])


def _overlap(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _text(row: Mapping[str, Any]) -> str:
    return f"{row['class']} {row['score']:.2f}"


def _shade(index: int) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colour(index))
    return red, green, blue


def _pixels(side: int, share: tuple[float, int]) -> int:
    return max(share[1], round(side * share[0]))


def _image(pixels: torch.Tensor) -> Image.Image:
    """Return float (3, height, width) from 0 to 1 as a picture."""
    return Image.fromarray((pixels * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
