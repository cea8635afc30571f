"""Flowers102 and Food101: photographs that fine-tuning is compared on, from files that are there or downloaded."""

from pathlib import Path
from typing import Any, ClassVar

import torchvision

from runner.data.images.class_folders import Layout
from runner.data.images.image_folder import ImageFolder
from runner.data.images.listing import Listing
from runner.data.offline import fetch_into
from runner.errors import RunnerError


class Photographs(ImageFolder):
    """A set of torchvision's, divided as its makers did, in a folder of the set's own name in `root`, or `root` itself.

    Looked for first, downloaded second; torchvision compares the archives' checksums. What their makers set aside for
    no validation is divided by `validation_fraction`.
    """

    dataset: ClassVar[Any]
    folder: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]

    def listed(self) -> tuple[Layout, Listing]:
        """Return all photographs in the order of the makers' lists.

        Raises:
            RunnerError: they are neither there nor to be had, or the lists are damaged.
        """
        name, root = self.dataset.__name__, self.root.parent if self.root.name == self.folder else self.root
        place = root / self.folder
        if not place.is_dir():
            fetch_into(root, name, lambda: self.dataset(str(root), download=True), [place])
        try:
            parts = {part: self.dataset(str(root), split=part) for part in self.parts}
        except Exception as error:  # torchvision and what reads the lists for it raise many kinds
            raise RunnerError(
                f"{place} holds no whole {name} ({str(error).splitlines()[0]}). Unpack its archives there, or remove "
                "the folder to have them downloaded."
            ) from error
        listing = Listing(place)
        for part, photographs in parts.items():
            # torchvision's own way to them decodes one at a time, in colour and at full size.
            listing.paths += map(Path, photographs._image_files)
            listing.classes += photographs._labels
            listing.parts += [part] * len(photographs)
        classes = tuple(parts["train"].classes)
        return Layout(place, dict.fromkeys(parts, place), classes), listing


class Flowers102(Photographs):
    """1,020 photographs of 102 kinds of flowers to train with, ten of each, 1,020 to validate with and 6,149 to test.

    Source: Nilsback and Zisserman, "Automated flower classification over a large number of classes", 2008.
    """

    dataset = torchvision.datasets.Flowers102
    folder = "flowers-102"
    parts = ("train", "val", "test")


class Food101(Photographs):
    """75,750 photographs of 101 dishes to train and validate with, some labels wrong, and 25,250 to test.

    Source: Bossard, Guillaumin, Van Gool, "Food-101 – Mining discriminative components with random forests", 2014.
    """

    dataset = torchvision.datasets.Food101
    folder = "food-101"
    parts = ("train", "test")
