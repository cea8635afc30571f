"""predict --draw: boxes and masks in the pixels of the picture that was given, as pictures and in COCO's format."""

import json

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as coco_masks
from PIL import Image

from runner.cli.main import main
from runner.data.images.detection import coco_json
from runner.data.images.geometry.placement import placement
from runner.data.images.segmentation.mask_values import resampled
from runner.data.images.shapes.masks import ShapesMasks
from runner.files.coco import CocoAnnotations, run_lengths
from runner.tasks.figures import drawn
from runner.tasks.figures.overlays import colour

NAMES = ("background", "circle", "square")
SIZE = (90, 50)


def shade(index: int) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in colour(index))


@pytest.fixture(scope="module")
def masks_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks") / "run"
    overrides = ["data=shapes_masks", "data.samples=24", "data.image_size=16", "+data.fit=pad", "model.channels=[4,8]"]
    small = ["trainer.max_epochs=1", "trainer=cpu", "logger=none", f"hydra.run.dir={folder}"]
    assert main([*overrides, *small]) == 0
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", SIZE, (120, 130, 140)).save(path)
    return path


def test_masks_are_written_in_the_size_of_their_picture(masks_run, photo, tmp_path, capsys):
    second = tmp_path / "other" / "photo.jpg"
    second.parent.mkdir()
    Image.new("L", (40, 40), 128).save(second)
    folder, output = tmp_path / "drawn", tmp_path / "found.json"
    assert main(["predict", str(masks_run), str(photo), str(second), "--draw", str(folder), "-o", str(output)]) == 0
    assert f"4 pictures: {folder}" in capsys.readouterr().out
    names = ["photo-2_mask.png", "photo-2_overlay.jpg", "photo_mask.png", "photo_overlay.jpg"]
    assert sorted(path.name for path in folder.iterdir()) == names
    mask, found = Image.open(folder / "photo_mask.png"), json.loads(output.read_text())
    assert mask.size == Image.open(folder / "photo_overlay.jpg").size == SIZE
    assert mask.mode == "P"
    assert [(each["width"], each["height"]) for each in found["images"]] == [SIZE, (40, 40)]
    held = np.asarray(mask)
    for each in found["annotations"]:
        if each["image_id"] == 1:
            runs = coco_masks.frPyObjects(each["segmentation"], *each["segmentation"]["size"])
            assert np.array_equal(coco_masks.decode(runs).astype(bool), held == each["category_id"])
            assert each["area"] == (held == each["category_id"]).sum()
            assert each["bbox"] == coco_masks.toBbox(runs).tolist()
    assert {each["name"] for each in found["categories"]} == {"background", "circle", "square", "triangle"}


@pytest.mark.parametrize("fit", ["pad", "squash", "crop"])
def test_a_mask_finds_back_to_its_picture(fit, photo):
    data = ShapesMasks(
        samples=1, most=1, noise=0, seed=0, channels=3, image_size=45, num_classes=4, fit=fit, mean=[0] * 3, std=[1] * 3
    )
    true = np.zeros(SIZE[::-1], dtype=np.uint8)
    true[10:40, 30:60] = 2
    square = torch.from_numpy(resampled(true, placement(*SIZE, 45, fit))).long()
    scores = torch.nn.functional.one_hot(square.where(square != 255, 0), 4).movedim(2, 0).float()
    found = data.mask_as_given(photo, scores)
    outside = found == 255
    assert outside.any() == (fit == "crop")
    assert (found != true)[~outside].mean() < 0.02


def test_boxes_are_drawn_where_their_rows_say_and_in_the_colour_of_their_class():
    row = {"class": "square", "score": 0.5, "x1": 10.0, "y1": 20.0, "x2": 60.0, "y2": 45.0}
    pixels = np.asarray(drawn.with_boxes(Image.new("RGB", SIZE), [row], NAMES))
    for y, x in ((30, 10), (30, 59), (44, 30)):
        assert tuple(pixels[y, x]) == shade(2)
    assert tuple(pixels[35, 35]) == (0, 0, 0)
    assert (pixels[22:, 61:] == 0).all()


def test_names_stand_where_they_hide_no_better_ones():
    """Two objects in one place: the better one's name above its box, the other's below."""
    box = {"x1": 10.0, "y1": 20.0, "x2": 60.0, "y2": 35.0}
    rows = [{"class": "circle", "score": 0.5, **box}, {"class": "square", "score": 0.9, **box}]
    pixels = np.asarray(drawn.with_boxes(Image.new("RGB", SIZE), rows, NAMES))
    assert tuple(pixels[19, 11]) == tuple(pixels[20, 11]) == shade(2)
    assert tuple(pixels[36, 11]) == shade(1)


def test_an_overlay_is_half_colour_half_picture_with_a_white_outline():
    mask = np.zeros((60, 90), dtype=np.uint8)
    mask[10:30, 10:40], mask[10:30, 40:50], mask[0] = 1, 2, 255
    pixels = np.asarray(drawn.with_mask(Image.new("RGB", (90, 60), (100, 100, 100)), mask, NAMES))
    expected = (np.array(shade(1)) + 100) / 2
    assert np.abs(pixels[20, 20] - expected).max() <= 1
    assert tuple(pixels[9, 20]) == tuple(pixels[20, 39]) == (255, 255, 255)
    assert tuple(pixels[40, 80]) == tuple(pixels[0, 80]) == (100, 100, 100)


def test_found_boxes_are_labels_again(photo, tmp_path):
    rows = [{"class": "b", "score": 0.75, "x1": 1.5, "y1": 2.0, "x2": 11.25, "y2": 32.0}]
    annotations = CocoAnnotations({1: "a", 5: "b"})
    annotations.add_picture(photo.name, *SIZE)
    annotations.add_boxes(rows)
    (tmp_path / "found.json").write_text(json.dumps(annotations.content))
    read = coco_json.read(tmp_path / "found.json", {"": tmp_path / "found.json"})
    assert (read.names, read.ids, read.problems) == (("a", "b"), ("1", "5"), [])
    assert [(box.label, box.corners) for box in read.pictures[0].boxes] == [(1, (1.5, 2.0, 11.25, 32.0))]


@pytest.mark.parametrize("region", [[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [0, 1]], [[0, 1], [1, 1]]])
def test_run_lengths_are_cocos(region):
    region = np.array(region, dtype=bool)
    runs = coco_masks.frPyObjects({"size": [2, 2], "counts": run_lengths(region)}, 2, 2)
    assert np.array_equal(coco_masks.decode(runs).astype(bool), region)


def test_what_cannot_be_drawn_is_told(digits_run, masks_run, photo, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    cases = {
        (str(digits_run), str(photo), "--draw", str(tmp_path / "d")): "--draw is for runs that find boxes or masks",
        (str(masks_run), "--draw", str(tmp_path / "d")): "--draw: name the pictures to draw on",
        (str(masks_run), str(photo), "--draw", str(tmp_path / "file")): "file: is a file. Name a folder.",
    }
    for arguments, said in cases.items():
        assert main(["predict", *arguments]) == 2
        assert said in capsys.readouterr().err
