"""Objects of COCO files: polygons, run lengths and crowds become pixels, and what is wrong is told with its place."""

import json
import re

import numpy as np
import pytest
import torch

from runner.data.images.augmentation import Augmentation
from runner.data.images.instances.instance_folder import InstanceFolder
from runner.data.images.instances.instances import around
from runner.data.images.instances.published import CocoInstances
from runner.errors import RunnerError
from runner.files.coco import encoded
from tests.support.box_labels import picture

WIDTH, HEIGHT, SIZE = 60, 40, 60
TOP = (SIZE - HEIGHT) // 2
PARTS = {"train": (1, 2), "val": (3,)}


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    region = np.zeros((HEIGHT, WIDTH), dtype=bool)
    region[y1:y2, x1:x2] = True
    return region


# Picture by picture: id, category, segmentation, whether it is a crowd.
ANNOTATIONS = {
    1: [
        (1, 3, encoded(rectangle(20, 10, 30, 20)), 0),  # in front of the larger one
        (2, 1, [[5, 5, 45, 5, 45, 35, 5, 35]], 0),
        (3, 1, encoded(rectangle(0, 0, 10, 40)), 1),
    ],
    2: [],
    3: [(1, 3, [[0, 0, 10, 0, 10, 10], [30, 30, 40, 30, 40, 40, 30, 40]], 0)],
}


def write(root, changed=lambda content: None):
    """Write `annotations/instances_{train,val}.json` of three pictures, the first after `changed`."""
    for part, numbers in PARTS.items():
        images, annotations = [], []
        for number in numbers:
            picture(root / part / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
            for key, category, segmentation, crowd in ANNOTATIONS[number]:
                known = {"id": key, "image_id": number, "category_id": category, "iscrowd": crowd}
                annotations.append({**known, "bbox": [0, 0, 1, 1], "segmentation": segmentation})
        categories = [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        if part == "train":
            changed(content)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return root


def folder(root, kind=InstanceFolder, **settings) -> InstanceFolder:
    scale = {"channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "pad", "test_fraction": 0.0, "batch_size": 2}
    data = kind(root=str(root), num_classes=2, **(scale | {"image_size": SIZE} | settings))
    data.setup()
    return data


def test_the_smaller_object_is_in_front_and_a_crowd_counts_for_nothing(tmp_path):
    data = folder(write(tmp_path))
    targets = data.splits["train"].targets
    assert targets["boxes"][0].tolist() == [[0, 5, TOP + 5, 45, TOP + 35], [1, 20, TOP + 10, 30, TOP + 20]]
    expected = np.zeros((SIZE, SIZE), dtype=np.uint8)
    inner = expected[TOP : TOP + HEIGHT]
    inner[rectangle(0, 0, 10, 40)], inner[rectangle(5, 5, 45, 35)], inner[rectangle(20, 10, 30, 20)] = 255, 1, 2
    assert np.array_equal(targets["objects"][0].numpy(), expected)
    assert targets["boxes"][1].tolist() == [[-1, 0, 0, 0, 0]] * 2
    assert not targets["objects"][1].any()
    whole = data.splits["val"].targets
    assert whole["boxes"][0, 0].tolist() == [1, 0, TOP, 40, TOP + 40], "two parts are one object"
    assert int((whole["objects"] == 1).sum()) == pytest.approx(50 + 100, abs=6)
    assert any("1 cat (1), 3 dog (2)" in each for each in data.remarks)
    assert any("1 crowds (iscrowd) are no objects" in each for each in data.remarks)
    assert data.categories() == {1: "cat", 3: "dog"}


def test_objects_are_moved_with_their_pictures(tmp_path):
    data = folder(write(tmp_path), augmentation=Augmentation(flip=1.0))
    samples = data.splits["train"]
    _, targets = data.training_batch((samples.inputs, samples.targets))
    assert torch.equal(targets["objects"], samples.targets["objects"].flip(2))
    assert targets["boxes"][0, 1].tolist() == [1, SIZE - 30, TOP + 10, SIZE - 20, TOP + 20]


def test_a_set_without_room_in_memory_is_drawn_batch_by_batch_alike(tmp_path):
    write(tmp_path)
    whole, lazy = folder(tmp_path), folder(tmp_path, memory_limit_gb=0.0)
    for part, batches in {"train": lazy.train_dataloader(), "val": lazy.val_dataloader()}.items():
        _, targets = next(iter(batches))
        rows = targets["boxes"][:, 0, 0].argsort(descending=True)  # training batches are shuffled
        for name, values in whole.splits[part].targets.items():
            assert torch.equal(targets[name][rows], values)


def test_what_is_hidden_or_too_small_is_counted(tmp_path):
    def cover(content):
        content["annotations"][0]["segmentation"] = [[5, 5, 44, 5, 44, 35, 5, 35]]
        content["annotations"][1]["segmentation"] = [[5, 5, 44, 5, 44, 35, 5, 35]]

    data = folder(write(tmp_path, cover))
    assert any("1 objects have no pixel at data.image_size=60" in each for each in data.remarks)
    boxes, objects = data.splits["train"].targets["boxes"], data.splits["train"].targets["objects"]
    assert torch.equal(around(objects, boxes), boxes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "2 points, and needs 3"),
        ({"segmentation": [[1, 1, 5, 5, 9, 9, 3]]}, "has 7 numbers"),
        ({"segmentation": {"size": [60, 40], "counts": [2400]}}, "of 40x60 pixels, but the picture has 60x40"),
        ({"segmentation": {"size": [40, 60], "counts": [2400]}}, "it has no area"),
        ({"segmentation": [[70, 1, 80, 1, 80, 9]]}, "it lies outside of its picture of 60x40"),
        ({"segmentation": [[0.1, 0.1, 0.5, 0.1, 0.5, 0.9]]}, "shares where pixels belong"),
        ({"category_id": 2}, "category_id 2, but the categories are 1, 3"),
        ({"iscrowd": 1, "segmentation": {"size": [40, 60], "counts": "x"}}, "compressed run lengths cannot be read"),
    ],
)
def test_a_wrong_annotation_is_told_with_its_file_and_id(change, said, tmp_path):
    write(tmp_path, lambda content: content["annotations"][0].update(id=17, **change))
    with pytest.raises(RunnerError) as error:
        folder(tmp_path)
    text = str(error.value)
    assert "instances_train.json: annotation 17 (1.png)" in text
    assert said in text
    skipped = folder(tmp_path, on_broken="skip")
    assert int((skipped.splits["train"].targets["boxes"][..., 0] >= 0).sum()) == 1


def test_what_is_no_coco_file_is_refused_with_the_known_places(tmp_path):
    with pytest.raises(RunnerError, match=r"no COCO JSON was found.*annotations/instances_train\.json"):
        folder(tmp_path)
    with pytest.raises(RunnerError, match=re.escape("data.most_boxes=255: objects have the numbers 1 to 254")):
        folder(write(tmp_path), most_boxes=255)


def test_coco_itself_has_its_objects_and_its_val_is_the_test(tmp_path):
    write(tmp_path)
    for part in PARTS:
        (tmp_path / f"annotations/instances_{part}.json").rename(tmp_path / f"annotations/instances_{part}2017.json")
        (tmp_path / part).rename(tmp_path / f"{part}2017")
    data = folder(tmp_path, kind=CocoInstances, validation_fraction=0.0)
    assert {part: len(data.splits[part]) for part in ("train", "val", "test")} == {"train": 2, "val": 0, "test": 1}
    assert data.splits["test"].targets["boxes"][0, 0].tolist() == [1, 0, TOP, 40, TOP + 40]
