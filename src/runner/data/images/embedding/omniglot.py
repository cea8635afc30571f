"""Omniglot: handwritten characters of fifty alphabets, a few drawings of each."""

from pathlib import Path
from typing import Any

import torch
import torchvision

from runner.data.images import stored
from runner.data.images.embedding.class_batches import ClassBatches
from runner.data.images.vision import DownloadedImages
from runner.data.module import Source
from runner.errors import RunnerError

BACKGROUND, EVALUATION = "images_background", "images_evaluation"
FOLDER = torchvision.datasets.Omniglot.folder


class Omniglot(ClassBatches, DownloadedImages):
    """uint8 (N, 1, image_size, image_size), black on white; a class is a character, twenty people's drawings of it.

    The background alphabets are trained but for the last ones by name, which are validation's; the evaluation alphabets
    are tested. They lie in `root/omniglot-py`, or `root` itself, as torchvision unpacks them.

    Source: Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through probabilistic program induction",
    2015.

    Args:
        held_back: how many of the background alphabets are validation's.
    """

    def __init__(self, *, held_back: int, **image: Any) -> None:
        super().__init__(**image)
        self.held_back = held_back

    def load(self) -> Source:
        """Decode all drawings, downloading them first if need be.

        Raises:
            RunnerError: they are neither there nor to be had, a drawing is damaged, or no alphabet is left to train.
        """
        folder = self._find()
        background = _folders(folder / BACKGROUND)
        if not 0 < self.held_back < len(background):
            raise RunnerError(
                f"data.held_back={self.held_back}: must be from 1 to {len(background) - 1}, for there are "
                f"{len(background)} alphabets to train and to validate with."
            )
        parts = {
            "train": background[: -self.held_back],
            "val": background[-self.held_back :],
            "test": _folders(folder / EVALUATION),
        }
        paths: list[Path] = []
        labels: list[int] = []
        names: list[str] = []
        rows: dict[str, list[int]] = {part: [] for part in parts}
        for part, alphabets in parts.items():
            for character in (each for alphabet in alphabets for each in _folders(alphabet)):
                drawings = sorted(character.glob("*.png"))
                rows[part] += range(len(paths), len(paths) + len(drawings))
                labels += [len(names)] * len(drawings)
                names.append(f"{character.parent.name} {character.name}")
                paths += drawings
        decoded = stored.decode_in_memory(paths, self.appearance, stored.workers(self.num_workers))
        if decoded.broken:
            row, why = next(iter(decoded.broken.items()))
            raise RunnerError(f"{paths[row]} can't be read as an image ({why}). Unpack the archives anew.")
        val, test = torch.tensor(rows["val"]), torch.tensor(rows["test"])
        return Source(decoded.images, torch.tensor(labels), val, test, class_names=tuple(names))

    def _find(self) -> Path:
        """Return the folder of both parts."""
        places = [self.root / FOLDER, self.root]
        if not any(map(_is_whole, places)):
            self.download("Omniglot", self._fetch, places)
        return next(filter(_is_whole, places))

    def _fetch(self) -> None:
        for background in (True, False):
            torchvision.datasets.Omniglot(str(self.root), background=background, download=True)  # verified by MD5 there


def _is_whole(folder: Path) -> bool:
    return all((folder / part).is_dir() for part in (BACKGROUND, EVALUATION))


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
