"""Flowers and dishes: found where they lie, divided as their makers did, else downloaded; damage is told."""

import hashlib
import json

import pytest
import torchvision
from PIL import Image
from scipy.io import savemat

from runner.data.images.classified.photographs import Flowers102, Food101
from runner.errors import RunnerError

SETTINGS = {"channels": 3, "image_size": 8, "mean": [0.5] * 3, "std": [0.5] * 3, "cache": "none"}
DISHES = ("apple_pie", "ramen")


def flowers(folder, monkeypatch):
    """Two photographs of each of 102 kinds to train with, one to validate and one to test; as light as their kind."""
    (folder / "jpg").mkdir(parents=True)
    kinds = [*range(1, 103)] * 4
    for number, kind in enumerate(kinds, 1):
        Image.new("RGB", (10, 8), (kind, kind, kind)).save(folder / f"jpg/image_{number:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": [kinds]})
    parts = {"trnid": range(1, 205), "valid": range(205, 307), "tstid": range(307, 409)}
    savemat(folder / "setid.mat", {name: [[*numbers]] for name, numbers in parts.items()})
    sums = {
        name: (file, hashlib.md5((folder / file).read_bytes()).hexdigest())
        for name, file in {"label": "imagelabels.mat", "setid": "setid.mat"}.items()
    }
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", sums)


def dishes(folder):
    """Three photographs of each of two dishes to train with, one to test."""
    (folder / "meta").mkdir(parents=True)
    for part, numbers in {"train": range(3), "test": range(3, 4)}.items():
        lists = {dish: [f"{dish}/{number}" for number in numbers] for dish in DISHES}
        (folder / f"meta/{part}.json").write_text(json.dumps(lists))
        for index, names in enumerate(lists.values()):
            for name in names:
                path = folder / f"images/{name}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 10), (100 * index,) * 3).save(path)


def food(root, **changes):
    data = Food101(root=str(root), num_classes=2, **{"validation_fraction": 0.4, **SETTINGS, **changes})
    data.setup()
    return data


@pytest.mark.parametrize("inside", [False, True])
def test_dishes_are_divided_by_their_lists(inside, tmp_path):
    dishes(tmp_path / "food-101")
    data = food(tmp_path / "food-101" if inside else tmp_path)
    assert data.class_names == DISHES
    assert {name: sorted(split.targets.tolist()) for name, split in data.splits.items()} == {
        "train": [0, 0, 1, 1],
        "val": [0, 1],
        "test": [0, 1],
    }
    light = data.splits["test"].inputs.flatten(1).float().mean(1)
    assert light.sub(100 * data.splits["test"].targets).abs().max() < 2


def test_flowers_are_divided_by_their_makers(tmp_path, monkeypatch):
    flowers(tmp_path / "flowers-102", monkeypatch)
    data = Flowers102(root=str(tmp_path), num_classes=102, **SETTINGS)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 204, "val": 102, "test": 102}
    assert data.class_names[:2] == ("pink primrose", "hard-leaved pocket orchid")
    test = data.splits["test"]
    assert test.inputs.flatten(1).float().mean(1).sub(test.targets + 1).abs().max() < 2
    (tmp_path / "flowers-102/setid.mat").write_bytes(b"another file")
    with pytest.raises(RunnerError, match=r"flowers-102 holds no whole Flowers102 \(Dataset not found or corrupted"):
        Flowers102(root=str(tmp_path), num_classes=102, **SETTINGS).setup()


def test_what_is_not_there_is_downloaded_through_torchvision_or_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.Food101, "_download", lambda self: dishes(self._base_folder))
    assert len(food(tmp_path / "new").splits["test"]) == 2
    monkeypatch.setenv("RUNNER_OFFLINE", "1")
    with pytest.raises(
        RunnerError, match=r"(?s)Food101 is not there, and RUNNER_OFFLINE forbids.*Looked in:\n  .*nowhere/food-101"
    ):
        food(tmp_path / "nowhere")


def test_a_damaged_list_and_a_missing_photograph_are_told(tmp_path):
    dishes(tmp_path / "food-101")
    (tmp_path / "food-101/images/ramen/1.jpg").unlink()
    with pytest.raises(RunnerError, match=r"ramen/1\.jpg"):
        food(tmp_path)
    assert len(food(tmp_path, on_broken="skip").splits["train"]) == 3
    (tmp_path / "food-101/meta/test.json").write_text("{")
    with pytest.raises(RunnerError, match=r"food-101 holds no whole Food101 .*Unpack its archives there"):
        food(tmp_path)
