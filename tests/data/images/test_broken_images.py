"""Broken files: found before training, counted, named, and left out or refused as the user wants."""

import io

import numpy as np
import pytest
from PIL import Image

from runner.errors import RunnerError
from tests.support.pictures import fill, image_data, read_data


def noise(level: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(level).integers(0, 256, (24, 24), dtype=np.uint8))


def break_(path, how: str) -> None:
    """Make a file empty, cut it in half, make it text, or damage its middle."""
    whole = path.read_bytes()
    middle = len(whole) // 2
    contents = {
        "empty": b"",
        "cut": whole[:middle],
        "text": b"no image at all",
        "damaged": whole[: middle - 30] + bytes(60) + whole[middle + 30 :],
    }
    path.write_bytes(contents[how])


@pytest.fixture
def files(tmp_path):
    return fill(tmp_path, 10, suffix=".png", draw=noise)


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "check"])
@pytest.mark.parametrize("how", ["empty", "cut", "text", "damaged"])
def test_a_broken_file_is_left_out_with_one_line_and_a_count(files, how, dry_run):
    break_(files / "dog" / "03.png", how)
    data = image_data(files, on_broken="skip")
    data.dry_run = dry_run
    data.setup()
    assert sum(len(split) for split in data.splits.values()) == 19
    assert len(data.remarks) == 1
    assert data.remarks[0].startswith("Left out 1 of 20 images, which can't be read: dog/03.png (")


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "check"])
def test_broken_files_are_refused_all_at_once(files, dry_run):
    break_(files / "cat" / "01.png", "cut")
    break_(files / "dog" / "03.png", "empty")
    data = image_data(files, on_broken="fail")
    data.dry_run = dry_run
    with pytest.raises(RunnerError) as raised:
        data.setup()
    found = str(raised.value)
    assert found.startswith(f"2 of 20 files can't be read as images: {files}/cat/01.png (")
    assert f"{files}/dog/03.png (the file is empty)" in found
    assert found.endswith("Mend or remove them, or leave them out with data.on_broken=skip.")


def test_few_broken_files_among_many_are_left_out_by_default_and_many_refused(tmp_path):
    fill(tmp_path, 100)
    for number in (1, 2):
        (tmp_path / "cat" / f"{number:02}.png").write_bytes(b"")
    data = read_data(tmp_path)
    assert "Left out 2 of 200 images" in data.remarks[0]
    (tmp_path / "cat" / "03.png").write_bytes(b"")
    with pytest.raises(RunnerError, match="3 of 200 files can't be read"):
        read_data(tmp_path)


def test_the_images_that_are_left_keep_their_classes_and_parts(tmp_path):
    for part in ("train", "val", "test"):
        fill(tmp_path / part, 6)
    for name in ("train/cat/00.png", "val/dog/05.png"):
        (tmp_path / name).write_bytes(b"")
    data = read_data(tmp_path, on_broken="skip")
    greys = {name: split.inputs[:, 0, 0, 0].tolist() for name, split in data.splits.items()}
    cats, dogs = list(range(60, 66)), list(range(180, 186))
    assert greys == {"train": cats[1:] + dogs, "val": cats + dogs[:5], "test": cats + dogs}
    assert [split.targets.tolist().count(0) for split in data.splits.values()] == [5, 6, 6]


def test_a_class_of_broken_files_only_is_refused(files):
    for path in (files / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RunnerError, match="cat holds no image that can be read"):
        read_data(files, on_broken="skip")


def test_a_jpeg_without_its_end_is_found_without_decoding_every_file(tmp_path, monkeypatch):
    fill(tmp_path, 10, suffix=".jpg", draw=noise)
    monkeypatch.setattr("runner.data.images.inspection.QUICKLY", 3)
    break_(tmp_path / "cat" / "04.jpg", "cut")
    data = image_data(tmp_path, on_broken="skip")
    data.dry_run = True
    data.setup()
    assert "Left out 1 of 20 images, which can't be read: cat/04.jpg (" in data.remarks[0]


def test_a_jpeg_with_something_behind_its_end_is_whole(tmp_path):
    fill(tmp_path, 6, suffix=".jpg", draw=noise)
    path = tmp_path / "cat" / "02.jpg"
    path.write_bytes(path.read_bytes() + b"made by a telephone" * 9)
    assert read_data(tmp_path).remarks == []


def test_an_image_under_another_suffix_is_read(tmp_path):
    fill(tmp_path, 6)
    content = io.BytesIO()
    noise(3).save(content, "WEBP")
    (tmp_path / "cat" / "99.jpg").write_bytes(content.getvalue())
    assert sum(len(split) for split in read_data(tmp_path).splits.values()) == 13


def test_an_unknown_way_is_refused(tmp_path):
    with pytest.raises(RunnerError, match=r"data\.on_broken=ignore: must be one of auto, skip, fail"):
        image_data(tmp_path, on_broken="ignore")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_during_training_is_told_in_one_line(files, workers):
    data = read_data(files, memory_limit_gb=0.0, cache="none", num_workers=workers)
    break_(files / "dog" / "03.png", "empty")
    with pytest.raises(RunnerError) as raised:
        [list(data._loader(name)) for name in data.splits]
    assert str(raised.value).startswith(f"{files}/dog/03.png can't be read as an image (")
    assert "\n" not in str(raised.value)
