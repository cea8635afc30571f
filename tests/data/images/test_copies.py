"""Copies of a picture in several parts or classes of a set are counted and named."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from runner.data.images import copies
from tests.support.pictures import fill, read_data


@pytest.fixture
def root(tmp_path) -> Path:
    fill(tmp_path / "train", 6)
    return fill(tmp_path / "test", 6, above=20).parent


def test_a_picture_in_training_and_test_is_named(root):
    for place in (0, 1):
        shutil.copy(root / "train" / "cat" / f"0{place}.png", root / "test" / "cat" / f"copy{place}.png")
    told = read_data(root, validation_fraction=0.0).remarks
    assert told == [
        "2 of 14 test images are among the training images as well (test/cat/copy0.png is train/cat/00.png, "
        "test/cat/copy1.png is train/cat/01.png): the test split promises too much. Remove the copies."
    ]


def test_copies_that_the_runner_divides_are_told_where_they_fall_apart(tmp_path):
    fill(tmp_path, 8)
    for each in sorted((tmp_path / "cat").iterdir()):
        shutil.copy(each, each.with_name(f"copy of {each.name}"))
    data = read_data(tmp_path, validation_fraction=0.0, test_fraction=0.5)
    levels = data.splits["train"].inputs.flatten(1)[:, 0], data.splits["test"].inputs.flatten(1)[:, 0]
    shared = sum(int(each) in levels[0].tolist() for each in levels[1])
    assert shared
    assert data.remarks[0].startswith(f"{shared} of 12 test images are among the training images as well (cat/")


def test_a_picture_in_two_classes_is_named(root):
    shutil.copy(root / "train" / "cat" / "00.png", root / "train" / "dog" / "wrong.png")
    assert read_data(root, validation_fraction=0.0).remarks == [
        "1 pictures lie in several classes (train/cat/00.png and train/dog/wrong.png). "
        "Remove them from all but the right one."
    ]


def test_pictures_that_only_end_alike_are_none_and_most_files_are_never_read(root, monkeypatch):
    read: list[str] = []
    content = copies._content
    monkeypatch.setattr(copies, "_content", lambda path: read.append(path.name) or content(path))
    picture = Image.new("L", (6, 6), 3)
    for name, first in (("a", 1), ("b", 2)):
        picture.putpixel((0, 5), first)  # bitmaps begin with their last line
        picture.save(root / "train" / "cat" / f"{name}.bmp")
    assert read_data(root, validation_fraction=0.0).remarks == []
    assert sorted(read) == ["a.bmp", "b.bmp"]
