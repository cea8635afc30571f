"""Files of image sets: every suffix that Pillow reads, and all that was skipped counted and named."""

import os

import pytest
from PIL import Image

from runner.errors import RunnerError
from tests.support.pictures import fill, read_data


def colour(level: int) -> Image.Image:
    return Image.new("RGB", (6, 6), (level, 255 - level, 40 * (level % 6)))


@pytest.mark.parametrize("suffix", [".jfif", ".JPG", ".avif", ".webp", ".tif", ".TIFF", ".jp2", ".gif", ".tga", ".ppm"])
def test_images_of_any_suffix_are_read(tmp_path, suffix):
    fill(tmp_path, 3)
    fill(tmp_path, 5, suffix=suffix, draw=colour)
    data = read_data(tmp_path)
    assert sum(len(split) for split in data.splits.values()) == 16
    assert data.remarks == []


def test_what_is_skipped_is_counted_and_named(tmp_path):
    fill(tmp_path, 5)
    for name in ("cat/IMG_1.heic", "cat/IMG_2.HEIC", "dog/notes.txt", "dog/README", "labels.csv"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "dog" / "dead.png").symlink_to("nowhere")
    for name in (".DS_Store", "cat/._00.png"):
        (tmp_path / name).write_text("no image")
    data = read_data(tmp_path)
    assert sum(len(split) for split in data.splits.values()) == 10
    assert data.remarks == [
        "Skipped 2 .heic, 1 without suffix, 1 dead link, 1 .txt, 1 .csv, not read as images: cat/IMG_1.heic, "
        "cat/IMG_2.HEIC, dog/README, dog/dead.png, dog/notes.txt and 1 more.",
        "Skipped 2 hidden files or folders.",
    ]


def test_links_are_followed_but_not_in_circles_and_not_into_other_classes(tmp_path):
    elsewhere = fill(tmp_path / "elsewhere", 3, {"more": 90})
    root = fill(tmp_path / "set", 5)
    (root / "cat" / "more").symlink_to(elsewhere / "more")
    (root / "cat" / "up").symlink_to("..")
    (root / "cat" / "self").symlink_to(".")
    (root / "dog" / "cats").symlink_to("../cat")
    data = read_data(root)
    counts = sum(split.targets.bincount(minlength=2) for split in data.splits.values())
    assert counts.tolist() == [8, 5]
    assert data.remarks == [
        "Skipped links to folders that they lie in themselves or to other classes: cat/self, cat/up, dog/cats."
    ]


def test_a_part_may_be_a_link_to_another(tmp_path):
    fill(tmp_path / "train", 4)
    fill(tmp_path / "val", 3)
    (tmp_path / "test").symlink_to("val")
    data = read_data(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 8, "val": 6, "test": 6}


def test_files_of_the_same_name_in_several_classes_and_folders_all_count(tmp_path):
    fill(tmp_path, 3)
    fill(tmp_path / "cat", 3, {"inner": 70})
    data = read_data(tmp_path)
    assert sum(split.targets.bincount(minlength=2) for split in data.splits.values()).tolist() == [6, 3]


def test_names_that_are_no_text_can_be_printed_and_are_no_classes(tmp_path):
    fill(tmp_path, 4)
    strange = os.fsdecode(b"M\xfcnchen")
    (tmp_path / "cat" / f"{strange}.txt").write_text("no image")
    fill(tmp_path / "cat", 2, {strange: 90})
    said = read_data(tmp_path).remarks
    assert said == ["Skipped 1 .txt, not read as images: cat/M?nchen.txt."]
    (tmp_path / strange).mkdir()
    with pytest.raises(RunnerError, match=r"names are no UTF-8: M\?nchen\. Rename them"):
        read_data(tmp_path)
