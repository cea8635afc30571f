"""VOC, COCO and the pets: found where they may lie, read as their makers divide them, else downloaded."""

import shutil

import numpy as np
import pytest
import torchvision
from PIL import Image

from runner.data.images.detection import published
from runner.data.images.detection.published import Coco, Voc
from runner.data.images.segmentation.pets import OxfordPets
from runner.errors import RunnerError
from tests.support import box_labels

SETTINGS = {"channels": 3, "image_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "pad", "test_fraction": 0.0}
NAMES = box_labels.NAMES


def coco(root):
    """`annotations/instances_{train,val}2017.json` and their pictures."""
    box_labels.coco(root)
    for part in ("train", "val"):
        (root / f"annotations/instances_{part}.json").rename(root / f"annotations/instances_{part}2017.json")
        (root / part).rename(root / f"{part}2017")


def pets(root):
    """Six pictures with trimaps, two of them for the test."""
    for folder in ("images", "annotations/trimaps"):
        (root / folder).mkdir(parents=True)
    trimap = np.full((20, 30), 2, dtype=np.uint8)
    trimap[5:15, 5:20], trimap[8:12, 8:16] = 3, 1
    for number in range(6):
        Image.new("RGB", (30, 20)).save(root / "images" / f"cat_{number}.jpg")
        Image.fromarray(trimap).save(root / "annotations/trimaps" / f"cat_{number}.png")
    for file, numbers in {"trainval.txt": range(4), "test.txt": range(4, 6)}.items():
        (root / "annotations" / file).write_text("".join(f"cat_{number} 1 1 1\n" for number in numbers))


@pytest.mark.parametrize("place", ["VOCdevkit/VOC2012", "VOC2012", ""])
def test_voc_lies_in_any_of_three_places_and_its_val_is_the_test(place, tmp_path):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    box_labels.voc(tmp_path / place)
    data = Voc(root=str(tmp_path), year="2012", num_classes=3, **SETTINGS)
    data.setup()
    assert (len(data.splits["train"]) + len(data.splits["val"]), len(data.splits["test"])) == (4, 2)
    assert data.class_names == tuple(sorted(NAMES))
    assert data.categories() == dict(enumerate(sorted(NAMES), 1))


@pytest.mark.parametrize("place", ["coco", ""])
def test_coco_keeps_its_ids_and_its_val_is_the_test(place, tmp_path):
    coco(tmp_path / place if place else tmp_path)
    data = Coco(root=str(tmp_path), num_classes=3, **SETTINGS)
    data.setup()
    assert (len(data.splits["train"]) + len(data.splits["val"]), len(data.splits["test"])) == (4, 2)
    assert data.categories() == dict(zip((1, 2, 5), NAMES, strict=True))
    other = Coco(root=str(tmp_path), num_classes=3, **SETTINGS)
    other.load_state_dict(data.state_dict())
    assert other.categories() == data.categories()


@pytest.mark.parametrize("place", ["oxford-iiit-pet", ""])
def test_pets_are_divided_by_their_lists_and_the_seam_counts_for_nothing(place, tmp_path):
    pets(tmp_path / place if place else tmp_path)
    data = OxfordPets(root=str(tmp_path), num_classes=2, **SETTINGS)
    data.setup()
    assert (len(data.splits["train"]) + len(data.splits["val"]), len(data.splits["test"])) == (4, 2)
    assert set(data.splits["test"].targets.unique().tolist()) == {0, 1, 255}
    assert "1 pet (5.3%)" in data.remarks[-1] and "19.7% count for nothing" in data.remarks[-1]


def test_a_picture_that_a_list_names_and_that_is_gone_is_told(tmp_path):
    pets(tmp_path)
    (tmp_path / "annotations/trimaps/cat_2.png").unlink()
    with pytest.raises(RunnerError, match=r"cat_2\.png: there is no such file, and trainval\.txt names it"):
        OxfordPets(root=str(tmp_path), num_classes=2, **SETTINGS).setup()


def test_what_is_not_there_is_downloaded_through_torchvision(tmp_path, monkeypatch):
    asked = []

    def fetch_pets(root, download):
        pets(tmp_path / "oxford-iiit-pet")

    def fetch_voc(root, year, image_set, download):
        asked.append((year, image_set))
        shutil.rmtree(tmp_path / "VOCdevkit", ignore_errors=True)
        (tmp_path / f"VOCdevkit/VOC{year}").mkdir(parents=True)
        box_labels.voc(tmp_path / f"VOCdevkit/VOC{year}")

    def fetch_coco(url, place, md5):
        asked.append((url.rpartition("/")[2], md5[:4]))
        if len(asked) == 5:
            (tmp_path / "coco").mkdir()
            coco(tmp_path / "coco")

    monkeypatch.setattr(torchvision.datasets, "OxfordIIITPet", fetch_pets)
    monkeypatch.setattr(torchvision.datasets, "VOCDetection", fetch_voc)
    monkeypatch.setattr(published, "download_and_extract_archive", fetch_coco)
    OxfordPets(root=str(tmp_path), num_classes=2, **SETTINGS).setup()
    Voc(root=str(tmp_path), year="2007", num_classes=3, **SETTINGS).setup()
    Coco(root=str(tmp_path), num_classes=3, **SETTINGS).setup()
    archives = [("annotations_trainval2017.zip", "f4bb"), ("val2017.zip", "442b"), ("train2017.zip", "cced")]
    assert asked == [("2007", "trainval"), ("2007", "test"), *archives]


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Voc, {"year": "2012"}, "VOC2012 is not there, and RUNNER_OFFLINE forbids"),
        (Coco, {}, "COCO is not there"),
        (OxfordPets, {}, "OxfordIIITPet is not there"),
    ],
)
def test_downloads_may_be_forbidden(kind, settings, said, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_OFFLINE", "1")
    with pytest.raises(RunnerError, match=said):
        kind(root=str(tmp_path), num_classes=2, **settings, **SETTINGS).setup()


def test_other_years_are_told(tmp_path):
    with pytest.raises(RunnerError, match=r"data\.year=2013: must be one of 2007, 2012"):
        Voc(root=str(tmp_path), year="2013", num_classes=20, **SETTINGS)
