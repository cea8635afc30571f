"""Voc and Coco: the sets that detectors are compared on, from files that are there or downloaded."""

from pathlib import Path
from typing import Any

import torchvision
from torchvision.datasets.utils import download_and_extract_archive

from runner.data.images.detection import coco_json, voc_xml
from runner.data.images.detection.box_folder import BoxFolder
from runner.data.images.detection.labels import LabelSet
from runner.data.offline import fetch_into
from runner.errors import RunnerError

YEARS = ("2007", "2012")
COCO_HOST = "http://images.cocodataset.org"
# Archives of COCO, with their MD5 sums.
COCO_ARCHIVES = {
    "annotations/annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    "zips/val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
    "zips/train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
}
COCO_FILES = {
    "train": "annotations/instances_train2017.json",
    "test": "annotations/instances_val2017.json",
}


class Voc(BoxFolder):
    """Photographs of 20 kinds of objects; difficult ones are left out.

    Lies in `root/VOCdevkit/VOC2012`, in `root/VOC2012` or in `root` itself. The part that its makers call val is the
    test split where there is no other, since labels of 2012's test part were never published. torchvision downloads it
    and compares the archives' checksums.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010.
    """

    def __init__(self, *, year: str, **folder: Any) -> None:
        super().__init__(**folder)
        self.year = str(year)
        if self.year not in YEARS:
            raise RunnerError(f"data.year={year}: must be one of {', '.join(YEARS)}.")

    def labels(self) -> LabelSet:
        """Return all objects, downloading pictures and labels first if need be."""
        name = f"VOC{self.year}"
        places = [self.root / "VOCdevkit" / name, self.root / name, self.root]
        if not any(map(_is_voc, places)):
            fetch_into(self.root, name, self._download, places)
        folder = next(filter(_is_voc, places))
        found = voc_xml.read(folder, voc_xml.find(folder / "Annotations"))
        if not any(picture.part == "test" for picture in found.pictures):
            for picture in found.pictures:
                picture.part = "test" if picture.part == "val" else picture.part
            found.remarks.append(f"{name}'s val is the test split; validation is set aside from train.")
        return found

    def _download(self) -> None:
        for part in ("trainval", *(("test",) if self.year == "2007" else ())):
            torchvision.datasets.VOCDetection(str(self.root), year=self.year, image_set=part, download=True)


class Coco(BoxFolder):
    """118,287 training photographs of 80 kinds of objects; val2017, 5,000 more, is the test split.

    Lies in `root/coco` or in `root` itself: `annotations/instances_train2017.json`, `train2017/` and so on. Else the
    archives are downloaded, 20 GB, and their checksums compared.

    Source: Lin et al., "Microsoft COCO", arXiv:1405.0312.
    """

    def labels(self) -> LabelSet:
        """Return all objects, downloading pictures and labels first if need be."""
        return coco_json.read(*self.there())

    def there(self) -> tuple[Path, dict[str, Path]]:
        """Return where it lies and the annotation file of each part, downloading first if need be."""
        places = [self.root / "coco", self.root]
        if not any(map(_is_coco, places)):
            fetch_into(self.root, "COCO", self._download, places)
        folder = next(filter(_is_coco, places))
        return folder, {part: folder / file for part, file in COCO_FILES.items()}

    def _download(self) -> None:
        for place, checksum in COCO_ARCHIVES.items():
            download_and_extract_archive(f"{COCO_HOST}/{place}", str(self.root / "coco"), md5=checksum)


def _is_voc(folder: Path) -> bool:
    return (folder / "Annotations").is_dir() and (folder / "ImageSets" / "Main").is_dir()


def _is_coco(folder: Path) -> bool:
    return all((folder / file).is_file() for file in COCO_FILES.values())
