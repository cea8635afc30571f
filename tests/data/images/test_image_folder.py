"""Image folders: found, divided, decoded as declared; what is wrong with one is told with its path."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from runner.data.images.decode import decode_image
from runner.data.images.image_folder import ImageFolder
from runner.errors import RunnerError

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def paint(folder: Path, count: int, colours: dict[str, tuple[int, int, int]] = COLOURS) -> Path:
    """One folder a class, `count` pictures in its colour in each."""
    for name, colour in colours.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (20 + index, 12), colour).save(folder / name / f"{index:02}.png")
    return folder


def folder_data(root: Path, **options) -> ImageFolder:
    image = {"channels": 3, "image_size": 8, "num_classes": 2, "mean": [0.5] * 3, "std": [0.5] * 3}
    return ImageFolder(root=str(root), **{**image, **options})


def test_one_folder_a_class_is_divided_in_stratified_splits(tmp_path):
    data = folder_data(paint(tmp_path, 10))
    data.setup()
    assert data.class_names == ("blue", "red")
    counts = {name: split.targets.bincount().tolist() for name, split in data.splits.items()}
    assert counts == {"train": [7, 7], "val": [1, 1], "test": [2, 2]}
    for split in data.splits.values():
        assert split.inputs.dtype == torch.uint8 and split.inputs.shape[1:] == (3, 8, 8)
        assert (split.inputs[:, 0, 0, 0] == 255).tolist() == (split.targets == 1).tolist()


def test_the_users_own_division_is_kept(tmp_path):
    for name, count in {"train": 6, "val": 2, "test": 3}.items():
        paint(tmp_path / name, count)
    data = folder_data(tmp_path)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 12, "val": 4, "test": 6}
    assert data.splits["val"].targets.tolist() == [0, 0, 1, 1]
    data.use_fold(0, 2)
    assert len(data.splits["train"]) == len(data.splits["val"]) == 8, "folds are made over train and val"
    assert len(data.splits["test"]) == 6


def test_a_missing_validation_folder_is_set_aside_from_training(tmp_path):
    paint(tmp_path / "train", 10)
    paint(tmp_path / "test", 3)
    data = folder_data(tmp_path)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 18, "val": 2, "test": 6}


@pytest.mark.parametrize("workers", [0, 2])
def test_images_beyond_the_memory_limit_are_decoded_batch_by_batch_to_the_same_batches(tmp_path, workers):
    paint(tmp_path, 6)
    in_memory, lazy = folder_data(tmp_path), folder_data(tmp_path, memory_limit_gb=0.0, num_workers=workers)
    in_memory.setup()
    lazy.setup()
    assert isinstance(in_memory.splits["train"].rows, torch.Tensor)
    assert not isinstance(lazy.splits["train"].rows, torch.Tensor)
    for ours, theirs in zip(in_memory.train_dataloader(), lazy.train_dataloader(), strict=True):
        assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])


def test_the_shorter_side_is_scaled_and_the_centre_cut_out(tmp_path):
    wide = Image.new("L", (40, 20))
    wide.paste(255, (10, 0, 30, 20))  # the centre square is white, the rest black
    wide.save(tmp_path / "wide.png")
    assert torch.equal(decode_image(tmp_path / "wide.png", 20, 1), torch.full((1, 20, 20), 255, dtype=torch.uint8))


def test_colour_images_become_grey_and_grey_ones_rgb(tmp_path):
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (4, 4), 9).save(tmp_path / "grey.png")
    assert decode_image(tmp_path / "red.png", 4, 1).unique().tolist() == [76]  # 0.299 of 255
    assert decode_image(tmp_path / "grey.png", 4, 3).tolist() == torch.full((3, 4, 4), 9).tolist()


def test_read_decodes_the_users_files_for_prediction(tmp_path):
    paint(tmp_path, 2)
    data = folder_data(tmp_path)
    inputs = data.read([tmp_path / "red" / "00.png", tmp_path / "blue" / "01.png"])
    assert inputs.shape == (2, 3, 8, 8) and inputs[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


def test_a_broken_image_is_named(tmp_path):
    paint(tmp_path, 4)
    broken = tmp_path / "red" / "01.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(RunnerError, match=r"red/01\.png can't be read as an image .* Mend or remove"):
        folder_data(tmp_path).setup()


def test_text_in_an_image_file_is_named(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(RunnerError, match=r"a\.png can't be read as an image"):
        decode_image(tmp_path / "a.png", 8, 3)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(RunnerError, match=r"No such image: .*a\.png"):
        decode_image(tmp_path / "a.png", 8, 3)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RunnerError, match=r"No such image folder: .*nowhere"):
        folder_data(tmp_path / "nowhere").setup()


def test_an_empty_folder_is_told_what_belongs_in_it(tmp_path):
    with pytest.raises(RunnerError, match=r"holds no folders\. Make one folder for each class"):
        folder_data(tmp_path).setup()


def test_a_class_without_images_is_named(tmp_path):
    paint(tmp_path, 4)
    (tmp_path / "white").mkdir()
    (tmp_path / "white" / "notes.txt").write_text("no image")
    with pytest.raises(RunnerError, match="white holds no images"):
        folder_data(tmp_path, num_classes=3).setup()


def test_a_class_with_too_few_images_is_told(tmp_path):
    paint(tmp_path, 4)
    paint(tmp_path, 1, {"white": (255, 255, 255)})
    with pytest.raises(RunnerError, match="at least 2 samples"):
        folder_data(tmp_path, num_classes=3).setup()


def test_a_test_class_that_training_lacks_is_named(tmp_path):
    paint(tmp_path / "train", 4)
    paint(tmp_path / "test", 4, {**COLOURS, "white": (255, 255, 255)})
    with pytest.raises(RunnerError, match="the training images lack: white"):
        folder_data(tmp_path).setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 5}, "data.num_classes is 5, but the data has 2 classes"),
        ({"channels": 2, "mean": [0.5] * 2, "std": [0.5] * 2}, "not data.channels=2"),
        ({"mean": [0.5]}, r"data.mean has 1 values for 3 channel\(s\)"),
    ],
)
def test_declarations_that_contradict_the_images_are_refused(tmp_path, options, message):
    paint(tmp_path, 10)
    with pytest.raises(RunnerError, match=message):
        folder_data(tmp_path, **options).setup()
