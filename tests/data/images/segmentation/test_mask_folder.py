"""Masks of one's own: every layout gives the same, and what cannot be used is told with its file."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from runner.data.images.decode import decode_image
from runner.data.images.geometry.placement import placement
from runner.data.images.segmentation.class_table import read_table
from runner.data.images.segmentation.mask_folder import MaskFolder
from runner.data.images.segmentation.mask_layout import count_mask_classes
from runner.data.images.segmentation.mask_values import resampled
from runner.errors import RunnerError
from tests.support import mask_sets
from tests.support.mask_sets import COUNT, HEIGHT, NAMES, TRAINING, WIDTH, labels

SIZE = 16


def folder(root, **settings) -> MaskFolder:
    scale = {"mean": [0.5] * 3, "std": [0.5] * 3}
    kept = {"channels": 3, "image_size": SIZE, "num_classes": len(NAMES), "fit": "pad", "test_fraction": 0.0, **scale}
    data = MaskFolder(root=str(root), **(kept | settings))
    data.setup()
    return data


@pytest.mark.parametrize("write", mask_sets.LAYOUTS)
def test_every_layout_and_every_way_of_writing_says_the_same(write, tmp_path):
    data = folder(write(tmp_path))
    assert data.class_names == NAMES
    assert count_mask_classes(tmp_path) == len(NAMES)
    assert (len(data.splits["train"]), len(data.splits["val"])) == (TRAINING, COUNT - TRAINING)
    place = placement(WIDTH, HEIGHT, SIZE, "pad")
    found = torch.cat([data.splits["train"].targets, data.splits["val"].targets])
    for number, mask in enumerate(found):
        assert torch.equal(mask, torch.from_numpy(resampled(labels(number), place)))
    assert {name for name, _ in re.findall(r"(\w+) \((\d+\.\d)%\)", data.remarks[-1])} == set(NAMES)
    assert "5.0% count for nothing" in data.remarks[-1]


@pytest.mark.parametrize("fit", ["pad", "squash", "crop"])
def test_a_mask_lies_where_its_picture_lies(fit, tmp_path):
    """A white rectangle is found at the pixels of its class, whatever the fit; bars count for nothing."""
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[8:30, 10:44] = 1
    Image.fromarray(mask * 255).save(tmp_path / "a.png")
    pixels = decode_image(tmp_path / "a.png", 32, 1, fit=fit, background="black")[0]
    moved = resampled(mask, placement(60, 40, 32, fit))
    sure = (pixels < 32) | (pixels > 223)
    assert torch.equal((pixels > 127)[sure], torch.from_numpy(moved == 1)[sure])
    assert (moved == 255).any() == (fit == "pad")


@pytest.mark.parametrize(
    ("values", "names", "found"),
    [
        ([0, 255], ("background", "foreground"), {0, 1}),
        ([0, 1], ("background", "foreground"), {0, 1}),
        ([0, 2, 255], ("0", "1", "2"), {0, 2, 255}),
        ([0, 85, 170], ("0", "85", "170"), {0, 1, 2}),
    ],
)
def test_without_names_the_values_say_what_the_classes_are(values, names, found, tmp_path):
    for number in range(2):
        mask_sets.picture(tmp_path / "images" / f"{number}.png")
        mask = np.array(values, dtype=np.uint8).repeat(WIDTH * HEIGHT // len(values)).reshape(HEIGHT, WIDTH)
        mask_sets.indices(tmp_path / "masks" / f"{number}.png", mask)
    data = folder(tmp_path, num_classes=len(names), validation_fraction=0.0, fit="squash")
    assert data.class_names == names
    assert set(data.splits["train"].targets.unique().tolist()) == found


def broken(root):
    """A set of ten with every usual mistake, each in a file of its own."""
    for number in range(10):
        mask_sets.picture(root / "images" / f"{number}.png")
        mask_sets.indices(root / "masks" / f"{number}.png", labels(number % COUNT))
    strange = labels(0)
    strange[5, 5:9] = 3
    mask_sets.indices(root / "masks" / "1.png", strange)
    mask_sets.indices(root / "masks" / "2.png", labels(0)[:, :20])
    mask_sets.indices(root / "masks" / "3.png", labels(0).T)
    (root / "masks" / "4.png").unlink()
    (root / "masks" / "5.png").write_bytes((root / "masks" / "6.png").read_bytes()[:60])
    mask_sets.coloured(root / "masks" / "7.png", labels(0))
    (root / "classes.txt").write_text("\n".join(NAMES))
    return root


TOLD = (
    r"masks/1\.png: the label 3 goes beyond the classes 0 to 2 \(4 pixels, classes\.txt\); are they counted from 0",
    r"masks/2\.png: is 20x20, but 2\.png is 30x20",
    r"masks/3\.png: is 20x30, but 3\.png is 30x20; its EXIF turns the picture",
    r"images/4\.png: there is no mask .*masks/4\.png",
    r"masks/5\.png: ",
    r"masks/7\.png: it holds colours, and no file says what they stand for",
)


def test_what_cannot_be_used_is_told_with_its_file_and_left_out_when_asked(tmp_path):
    broken(tmp_path)
    with pytest.raises(RunnerError, match=r"6 of 10 labels and pictures cannot be used") as refused:
        folder(tmp_path)
    assert "Mend them, or leave them out with data.on_broken=skip." in str(refused.value)
    data = folder(tmp_path, on_broken="skip", validation_fraction=0.0)
    assert len(data.splits["train"]) == 4
    told = f"{refused.value}\n{data.remarks[-1]}"
    assert sum(bool(re.search(each, told)) for each in TOLD) >= 5, told
    for number, row in zip((0, 6, 8, 9), data.splits["train"].targets, strict=True):
        assert torch.equal(
            row, torch.from_numpy(resampled(labels(number % COUNT), placement(WIDTH, HEIGHT, SIZE, "pad")))
        )
    checked = MaskFolder(root=str(tmp_path), channels=3, image_size=SIZE, num_classes=3, mean=[0.5] * 3, std=[0.5] * 3)
    checked.dry_run = True
    with pytest.raises(RunnerError, match="6 of 10 labels"):
        checked.setup()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: None, "holds no pictures. Known layouts"),
        (lambda root: mask_sets.picture(root / "images" / "1.png"), "no picture has a mask. Known layouts"),
        (lambda root: mask_sets.folders(root, mask_sets.coloured) and (root / "classes.txt").unlink(), "name1,0,0,0"),
        (lambda root: mask_sets.folders(root) and (root / "classes.txt").write_text("a\na"), "a stands there twice"),
        (lambda root: mask_sets.folders(root) and (root / "classes.csv").write_text("a,1,2\nb,3"), "the same form"),
        (lambda root: mask_sets.folders(root) and (root / "classes.csv").write_text(""), "names no classes"),
    ],
)
def test_a_set_that_cannot_be_read_says_what_it_needs(make, said, tmp_path):
    make(tmp_path)
    with pytest.raises(RunnerError, match=re.escape(said)):
        folder(tmp_path)


def test_blurred_masks_are_no_labels(tmp_path):
    ramp = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    mask_sets.picture(tmp_path / "images" / "1.jpg")
    mask_sets.indices(tmp_path / "masks" / "1.png", ramp)
    with pytest.raises(RunnerError, match="256 different values: are they saved as JPEG"):
        folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "names", "keys"),
    [
        ("classes.txt", "sky\ntraffic light\n", ("sky", "traffic light"), {0: 0, 1: 1, 255: 255}),
        ("classes.txt", "0: sky\n7: road\n", ("sky", "road"), {0: 0, 7: 1, 255: 255}),
        ("label_colors.txt", "64 128 64\tAnimal\n0 0 0\tVoid\n", ("Animal",), {(64, 128, 64): 0, (0, 0, 0): 255}),
        ("class_dict.csv", "name,r,g,b\nBus,1,2,3\n", ("Bus",), {(1, 2, 3): 0}),
        ("_classes.csv", "Pixel Value, Class\n0, ground\n255, cat\n", ("ground", "cat"), {0: 0, 255: 1}),
    ],
)
def test_files_of_classes_are_read_in_every_usual_form(name, text, names, keys, tmp_path):
    (tmp_path / name).write_text(text)
    table = read_table(tmp_path / name)
    assert table.names == names
    assert dict(table.colours or table.values) == keys


@pytest.mark.parametrize(("mode", "channels"), [("L", 3), ("CMYK", 3), ("RGB", 1), ("LA", 3)])
def test_pictures_of_any_mode_and_size_have_masks(mode, channels, tmp_path):
    """Grey, CMYK, transparent; one pixel wide as well."""
    for number, size in enumerate([(9, 9), (1, 7), (40, 3)]):
        path = tmp_path / "images" / f"{number}.{'jpg' if mode == 'CMYK' else 'png'}"
        path.parent.mkdir(exist_ok=True)
        Image.new(mode, size).save(path)
        mask_sets.indices(tmp_path / "masks" / f"{number}.png", np.ones(size[::-1], dtype=np.uint8))
    scale = {"mean": [0.5] * channels, "std": [0.5] * channels, "channels": channels}
    data = folder(tmp_path, num_classes=2, validation_fraction=0.0, **scale)
    assert data.splits["train"].inputs.shape == (3, channels, SIZE, SIZE)
    assert all((mask == 1).any() for mask in data.splits["train"].targets)
