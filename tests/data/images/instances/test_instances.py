"""Instances: every object's pixels and box say the same, however they are moved."""

import pytest
import torch

from runner.data.images.augmentation import Augmentation
from runner.data.images.instances.instances import around
from runner.data.images.shapes.instances import ShapesInstances
from runner.errors import RunnerError

IMAGES = {"channels": 3, "image_size": 48, "num_classes": 3, "mean": [0] * 3, "std": [1] * 3, "batch_size": 16}


def shapes(augmentation: Augmentation | None = None) -> ShapesInstances:
    return ShapesInstances(samples=40, most=4, noise=0, seed=0, augmentation=augmentation, **IMAGES)


def test_a_box_lies_around_the_pixels_of_its_object():
    objects = torch.zeros(1, 6, 8, dtype=torch.uint8)
    objects[0, 1:3, 2:7], objects[0, 2:6, 0] = 2, 255
    boxes = torch.tensor([[[0.0, 1, 1, 2, 2], [2.0, 0, 0, 8, 6]]])
    assert around(objects, boxes).tolist() == [[[-1, 0, 0, 0, 0], [2, 2, 1, 7, 3]]], "one is hidden, one is drawn anew"


def test_every_object_has_pixels_and_every_pixel_of_one_a_row():
    targets = shapes().load().targets
    rows = torch.where(targets["objects"] > 0, targets["objects"].long() - 1, 0)
    labels = targets["boxes"][..., 0].gather(1, rows.flatten(1)).view_as(rows)
    assert bool((labels[targets["objects"] > 0] >= 0).all())
    assert torch.equal(around(targets["objects"], targets["boxes"]), targets["boxes"])


def test_geometry_moves_objects_with_their_images():
    data = shapes(Augmentation(rotate=30, shift=8, flip=0.5, scale=0.3))
    data.setup()
    samples = data.splits["train"]
    torch.manual_seed(0)
    images, targets = data.training_batch((samples.inputs, samples.targets))
    boxes, objects = targets["boxes"], targets["objects"]
    assert not torch.equal(objects, samples.targets["objects"])
    there = boxes[..., 0] >= 0
    assert 0 < there.sum() <= (samples.targets["boxes"][..., 0] >= 0).sum()
    assert torch.equal(boxes[there][:, 0], samples.targets["boxes"][there][:, 0])
    spread = []
    for image, known, map_ in zip(images, boxes, objects, strict=True):
        for row in (known[:, 0] >= 0).nonzero().flatten():
            pixels = image[:, map_ == row + 1]
            spread.append((pixels - pixels.median(1, keepdim=True).values).abs().median())
    assert torch.stack(spread).median() < 0.02, "a shape without noise is of one colour"


def test_mosaic_is_refused_for_objects():
    with pytest.raises(RunnerError, match=r"augmentation\.mosaic .* Set it to 0"):
        shapes(Augmentation(mosaic=0.5)).setup()
