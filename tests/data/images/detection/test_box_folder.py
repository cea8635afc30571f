"""Boxes of one's own: three formats read alike, and what cannot be used is told with its file and line."""

import json
import re

import pytest
import torch
from PIL import Image

from runner.data.images.detection.box_folder import BoxFolder
from runner.data.images.detection.layouts import count_box_classes
from runner.data.images.geometry.placement import placement, size_as_seen
from runner.errors import RunnerError
from tests.support.box_labels import HEIGHT, NAMES, OBJECTS, TRAINING, WIDTH, coco, picture, voc, yolo

SIZE = 32


def folder(root, **settings) -> BoxFolder:
    scale = {"mean": [0.5] * 3, "std": [0.5] * 3}
    kept = {"channels": 3, "image_size": SIZE, "fit": "pad", "test_fraction": 0.0, **scale}
    data = BoxFolder(root=str(root), num_classes=len(NAMES), **(kept | settings))
    data.setup()
    return data


def found(data: BoxFolder) -> list[list[tuple[float, ...]]]:
    """Return the boxes of every picture, in the order of the files."""
    pictures = []
    for split in ("train", "val"):
        targets = data.splits[split].targets
        pictures += [sorted(tuple(row.tolist()) for row in rows if row[0] >= 0) for rows in targets]
    return pictures


@pytest.mark.parametrize(("write", "order"), [(coco, (0, 1, 2)), (yolo, (0, 1, 2)), (voc, (2, 0, 1))])
def test_every_format_says_the_same(write, order, tmp_path):
    data = folder(write(tmp_path))
    # VOC has no ids: its classes are numbered by name
    names = tuple(sorted(NAMES)) if write is voc else NAMES
    assert data.class_names == names
    assert (len(data.splits["train"]), len(data.splits["val"])) == (TRAINING, len(OBJECTS) - TRAINING)
    scale, bar = SIZE / WIDTH, (SIZE - round(HEIGHT * SIZE / WIDTH)) // 2
    down = round(HEIGHT * SIZE / WIDTH) / HEIGHT
    for boxes, true in zip(found(data), OBJECTS, strict=True):
        expected = sorted(
            (names.index(NAMES[c]), x1 * scale, y1 * down + bar, x2 * scale, y2 * down + bar)
            for c, x1, y1, x2, y2 in true
        )
        assert boxes == [pytest.approx(each, abs=1e-4) for each in expected]
    counts = re.findall(r"(\w+) \((\d+)\)", data.remarks[-1])
    assert {name: int(count) for name, count in counts} == {"cat": 3, "dog": 3, "bird": 2}
    assert count_box_classes(tmp_path) == len(NAMES)


@pytest.mark.parametrize("fit", ["pad", "squash", "crop"])
@pytest.mark.parametrize("size", [(60, 40), (40, 60), (17, 90), (50, 50)])
def test_placing_and_its_way_back(fit, size):
    place = placement(*size, 64, fit)
    corners = (size[0] * 0.4, size[1] * 0.45, size[0] * 0.6, size[1] * 0.5)
    assert place.back(place.forward(corners)) == pytest.approx(corners)
    whole = place.forward((0, 0, *size))
    if fit == "crop":  # the shorter side fills the square
        assert min(whole[2] - whole[0], whole[3] - whole[1]) == pytest.approx(64)
    else:
        assert max(whole) <= 64 + 1e-9


def test_a_picture_lies_where_its_placement_says(tmp_path):
    """A white rectangle is found again at the pixels that its box moved to, whatever the fit."""
    from runner.data.images.decode import decode_image

    image = Image.new("RGB", (120, 80))
    image.paste((255, 255, 255), (24, 16, 72, 56))
    image.save(tmp_path / "a.png")
    for fit in ("pad", "squash", "crop"):
        pixels = decode_image(tmp_path / "a.png", 40, 1, fit=fit, background="black")[0] > 127
        rows, columns = pixels.any(1).nonzero().flatten(), pixels.any(0).nonzero().flatten()
        expected = placement(120, 80, 40, fit).forward((24, 16, 72, 56))
        assert [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] == pytest.approx(expected, abs=1)


def test_a_picture_on_its_side_has_the_size_that_is_seen(tmp_path):
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert size_as_seen(tmp_path / "a.jpg") == (20, 30)


def refusal(root, **settings) -> str:
    with pytest.raises(RunnerError) as error:
        folder(root, **settings)
    return str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3 0.5 0.5 0.2 0.2", "class 3, but data.yaml names 3, numbered 0 to 2 (are they counted from 1?)"),
        ("-1 0.5 0.5 0.2 0.2", "class -1, but data.yaml names 3"),
        ("0 30 20 10 10", "numbers above 1: pixels where shares"),
        ("0 0.5 0.5 0 0.2", "it has no area"),
        ("0 0.5 0.5 -0.2 0.2", "negative numbers"),
        ("0 0.5 0.5 0.2", "has 4 numbers; a box has 5"),
        ("cat 0.5 0.5 0.2 0.2", "is not made of numbers"),
        ("0 nan 0.5 0.2 0.2", "numbers that are not finite"),
    ],
)
def test_a_wrong_line_is_told_with_its_file_and_number(line, said, tmp_path):
    path = yolo(tmp_path) / "labels" / "train" / "0.txt"
    path.write_text(f"1 0.5 0.5 0.2 0.2\n{line}\n")
    text = refusal(tmp_path)
    assert f"{path}, line 2" in text
    assert said in text
    assert "data.on_broken=skip" in text
    data = folder(tmp_path, on_broken="skip")
    assert int((data.splits["train"].targets[:, :, 0] >= 0).sum()) == 3
    assert any("Left out 1 labels or pictures" in remark for remark in data.remarks)


def coco_with(root, change) -> None:
    path = coco(root) / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda c: c["annotations"][0].update(category_id=0),
            "but the categories are 1, 2, 5 (are they",
        ),
        (lambda c: c["annotations"][0].update(image_id=99), "there is no image with the id 99"),
        (lambda c: c["annotations"][0].update(bbox=[10, 10, -5, 5]), "in the wrong order"),
        (lambda c: c["annotations"][0].update(bbox=[70, 10, 5, 5]), "outside of its picture of 60x40"),
        (lambda c: c["annotations"][0].update(bbox=[0.1, 0.1, 0.5, 0.5]), "shares where pixels belong"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "not four numbers"),
        (lambda c: c["images"][0].update(file_name="gone.png"), "there is no image gone.png"),
        (lambda c: c["images"][0].update(width=40, height=60), "is 60x40, but its labels are for 40x60"),
    ],
)
def test_a_wrong_annotation_is_told(change, said, tmp_path):
    coco_with(tmp_path, change)
    assert said in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("categories"), "is no COCO JSON: it has no list categories"),
        (lambda c: c["categories"].clear(), "names no categories"),
        (lambda c: c["categories"][0].update(name="dog"), "two categories have one name"),
        (lambda c: c["categories"][0].update(id="one"), "is no COCO JSON"),
    ],
)
def test_a_file_that_is_no_coco_is_refused(change, said, tmp_path):
    coco_with(tmp_path, change)
    assert said in refusal(tmp_path, on_broken="skip")


def test_a_broken_picture_is_named(tmp_path):
    path = yolo(tmp_path) / "images" / "train" / "1.png"
    path.write_bytes(path.read_bytes()[:40])
    assert f"{path}: " in refusal(tmp_path)
    assert len(folder(tmp_path, on_broken="skip").splits["train"]) == TRAINING - 1


def test_a_polygon_becomes_the_box_around_it(tmp_path):
    (yolo(tmp_path) / "labels" / "train" / "0.txt").write_text("2 0.1 0.2 0.5 0.1 0.3 0.6\n")
    first = folder(tmp_path, fit="squash").splits["train"].targets[0, 0]
    torch.testing.assert_close(first, torch.tensor([2, 3.2, 3.2, 16, 19.2]))


def test_of_a_crowd_the_largest_count(tmp_path):
    lines = [f"0 0.5 0.5 {size} {size}" for size in (0.1, 0.9, 0.5)]
    (yolo(tmp_path) / "labels" / "train" / "0.txt").write_text("\n".join(lines))
    data = folder(tmp_path, most_boxes=2)
    first = data.splits["train"].targets[0]
    assert (first[:, 3] - first[:, 1]).tolist() == pytest.approx([0.9 * SIZE, 0.5 * SIZE])
    assert any("more than 2 objects" in remark for remark in data.remarks)


def test_a_cut_picture_keeps_the_boxes_that_are_still_to_be_seen(tmp_path):
    (yolo(tmp_path) / "labels" / "train" / "0.txt").write_text("0 0.05 0.5 0.1 0.5\n1 0.5 0.5 1 1\n")
    first = folder(tmp_path, fit="crop").splits["train"].targets[0]
    assert first[first[:, 0] >= 0].tolist() == [[1.0, 0.0, 0.0, SIZE, SIZE]]


def test_without_labels_the_layouts_are_named(tmp_path):
    picture(tmp_path / "a.png")
    assert "COCO JSON" in refusal(tmp_path)
    assert "there is no such folder" in refusal(tmp_path / "nowhere")


def test_a_set_without_any_object_is_refused(tmp_path):
    yolo(tmp_path)
    for path in (tmp_path / "labels").rglob("*.txt"):
        path.write_text("")
    assert "no image has a label file with a line" in refusal(tmp_path)
