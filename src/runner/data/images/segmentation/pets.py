"""OxfordPets: photographs of cats and dogs with a mask of the animal each."""

from pathlib import Path

import torchvision

from runner.data.images.geometry.affine import IGNORED
from runner.data.images.segmentation.class_table import ClassTable
from runner.data.images.segmentation.mask_folder import MaskFolder
from runner.data.images.segmentation.mask_layout import MaskedPicture, MaskSet
from runner.data.offline import fetch_into

# What the values of a trimap stand for: the animal, what is around it, and a seam that may be either.
TRIMAP = ClassTable(("background", "pet"), {1: 1, 2: 0, 3: IGNORED}, where="trimaps, whose seam counts for nothing")
FOLDER = "oxford-iiit-pet"
PARTS = {"train": "trainval.txt", "test": "test.txt"}


class OxfordPets(MaskFolder):
    """3,680 photographs to train and validate with and 3,669 to test; classes are background and pet.

    Lies in `root/oxford-iiit-pet`, or `root` itself: `images/`, and `annotations/` with trimaps and lists of names.
    torchvision downloads it and compares the archives' checksums.

    Source: Parkhi et al., "Cats and Dogs", 2012, https://www.robots.ox.ac.uk/~vgg/data/pets.
    """

    def masks(self) -> MaskSet:
        """Return pictures and trimaps as the lists name them, downloading all of them first if need be."""
        places = [self.root / FOLDER, self.root]
        if not any(map(_is_whole, places)):
            dataset = torchvision.datasets.OxfordIIITPet
            fetch_into(self.root, "OxfordIIITPet", lambda: dataset(str(self.root), download=True), places)
        folder = next(filter(_is_whole, places))
        found = MaskSet([], TRIMAP)
        for part, file in PARTS.items():
            for line in (folder / "annotations" / file).read_text(encoding="utf-8").splitlines():
                name = line.split()[0]
                pair = MaskedPicture(
                    folder / "images" / f"{name}.jpg", folder / "annotations/trimaps" / f"{name}.png", part
                )
                missing = [path for path in (pair.picture, pair.mask) if not path.is_file()]
                found.problems += [f"{path}: there is no such file, and {file} names it" for path in missing]
                found.pairs += [] if missing else [pair]
        return found


def _is_whole(folder: Path) -> bool:
    """Return whether both archives were unpacked here."""
    lists = all((folder / "annotations" / file).is_file() for file in PARTS.values())
    return lists and (folder / "images").is_dir() and (folder / "annotations/trimaps").is_dir()
