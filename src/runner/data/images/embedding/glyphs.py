"""Glyphs: letters of several scripts, drawn with the fonts that ship with matplotlib."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from runner.data.images.embedding.class_batches import ClassBatches
from runner.data.module import Source
from runner.errors import RunnerError

# A letter that fewer faces draw is left out.
FACES = 6


class Glyphs(ClassBatches):
    """uint8 (N, 1, image_size, image_size), white on black; a class is a letter, its images are faces of DejaVu.

    Letters with accents are left out, and so are those drawn like another letter (Cyrillic А beside Latin A). Nothing
    is downloaded and nothing drawn by chance.

    Args:
        scripts: the scripts of each split, `train`, `val` and `test`, named as Unicode names letters: Latin, Greek …
    """

    def __init__(self, *, scripts: dict[str, Sequence[str]], **image: Any) -> None:
        super().__init__(**image)
        self.scripts = {
            split: [each.upper() for each in scripts.get(split) or ()] for split in ("train", "val", "test")
        }
        named = [each for split in self.scripts.values() for each in split]
        twice = sorted({each for each in named if named.count(each) > 1})
        if twice:
            raise RunnerError(f"data.scripts names {', '.join(twice)} more than once: no class may be in two splits.")

    def load(self) -> Source:
        """Draw all letters."""
        faces = sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("DejaVu*.ttf"))
        faces = [each for each in faces if "Display" not in each.stem]
        letters = letters_of({each: set(FT2Font(str(each)).get_charmap()) for each in faces})
        pens = {face: ImageFont.truetype(str(face), round(self.image_size * 0.7)) for face in faces}
        images: list[np.ndarray] = []
        labels: list[int] = []
        names: list[str] = []
        rows: dict[str, list[int]] = {split: [] for split in self.scripts}
        seen: set[bytes] = set()
        for split, scripts in self.scripts.items():
            for script in scripts:
                if script not in letters:
                    known = ", ".join(sorted(name.capitalize() for name in letters))
                    raise RunnerError(f"data.scripts.{split}: no letters of {script.capitalize()}. There are {known}.")
                for letter, drawn_by in letters[script].items():
                    drawn = [self._draw(letter, pens[face]) for face in drawn_by]
                    if seen.isdisjoint(each.tobytes() for each in drawn):
                        rows[split] += range(len(images), len(images) + len(drawn))
                        images += drawn
                        labels += [len(names)] * len(drawn)
                        names.append(unicodedata.name(letter))
                    seen.update(each.tobytes() for each in drawn)
        pixels = torch.from_numpy(np.stack(images))[:, None]
        return Source(
            pixels,
            torch.tensor(labels),
            torch.tensor(rows["val"]),
            torch.tensor(rows["test"]),
            class_names=tuple(names),
        )

    def divide(self, source: Source) -> dict[str, Any]:
        """Divide by scripts; raises RunnerError where a split has none."""
        empty = [split for split, scripts in self.scripts.items() if not scripts]
        if empty:
            raise RunnerError(f"data.scripts.{empty[0]} names no script. Give each split one or more.")
        return super().divide(source)

    def _draw(self, letter: str, pen: ImageFont.FreeTypeFont) -> np.ndarray:
        size = self.image_size
        left, top, right, bottom = pen.getbbox(letter)
        picture = Image.new("L", (size, size))
        ImageDraw.Draw(picture).text(((size - left - right) / 2, (size - top - bottom) / 2), letter, 255, pen)
        return np.array(picture)


def letters_of(faces: dict[Path, set[int]]) -> dict[str, dict[str, list[Path]]]:
    """Return, for each script, its letters without accents and the faces that draw them."""
    found: dict[str, dict[str, list[Path]]] = {}
    for code in sorted(set().union(*faces.values())):
        letter, drawn_by = chr(code), [face for face, codes in faces.items() if code in codes]
        if len(drawn_by) >= FACES and letter.isalpha() and unicodedata.normalize("NFKD", letter) == letter:
            found.setdefault(unicodedata.name(letter, "").split(" ")[0], {})[letter] = drawn_by
    return found
