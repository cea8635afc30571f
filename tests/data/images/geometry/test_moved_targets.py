"""An augmentation moves boxes and masks with their images."""

import pytest
import torch

from runner.data.images.augmentation import Augmentation
from runner.data.images.geometry.affine import move_boxes, random_affine
from runner.errors import RunnerError

GEOMETRIES = [
    {"flip": 1.0},
    {"flip": 0.5},
    {"shift": 4.0},
    {"scale": 0.3, "shift": 3.0},
    {"rotate": 30.0, "shear": 10.0, "flip": 0.5},
]


def scene(count=12, height=40, width=60):
    """Images (N, 1, H, W) with one bright rectangle, its box with a line of padding, and its mask."""
    images = torch.zeros(count, 1, height, width)
    images[:, :, 14:24, 18:34] = 1
    boxes = torch.tensor([[2.0, 18, 14, 34, 24], [-1, 0, 0, 0, 0]]).repeat(count, 1, 1)
    return images, boxes, (images[:, 0] * 7).to(torch.uint8)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_rectangle_is_where_the_moved_box_and_mask_say(geometry):
    torch.manual_seed(1)
    images, boxes, masks = scene()
    moved, targets = Augmentation(**geometry)(images, {"boxes": boxes, "masks": masks})
    for image, found, mask in zip(moved[:, 0], targets["boxes"], targets["masks"], strict=True):
        rows, columns = (image > 0.5).any(1).nonzero(), (image > 0.5).any(0).nonzero()
        seen = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert found[0, 0] == 2
        assert (found[0, 1:] - seen).abs().max() <= 1.5
        assert found[1].tolist() == [-1, 0, 0, 0, 0]
        assert set(mask.unique().tolist()) <= {0, 7, 255}
        assert ((mask == 7) != (image > 0.5)).sum() <= 0.1 * (mask == 7).sum()


def test_a_mirrored_box_is_exact_and_outside_is_ignored():
    images, boxes, masks = scene(1)
    _, (moved, mask) = Augmentation(flip=1.0)(images, (boxes, masks))
    torch.testing.assert_close(moved[0, 0], torch.tensor([2.0, 26, 14, 42, 24]))
    assert torch.equal(mask, masks.flip(2))
    gone = torch.tensor([[[1.0, 0, 2.0], [0, 1, 0]]])  # outputs look two halves to the right: all goes left
    assert move_boxes(boxes[:1], gone, (40, 60))[0, 0].tolist() == [-1, 0, 0, 0, 0]


def test_ignored_pixels_come_in_from_outside():
    torch.manual_seed(0)
    images, _, masks = scene(4)
    _, moved = Augmentation(scale=0.5, rotate=45.0)(images, masks)
    assert (moved == 255).any()
    assert not (masks == 255).any()


def test_classes_stay_and_images_are_those_of_the_affine_map():
    images, _, _ = scene()
    classes = torch.arange(12)
    torch.manual_seed(3)
    moved, targets = Augmentation(rotate=20.0, flip=0.5)(images, classes)
    torch.manual_seed(3)
    assert torch.equal(moved, random_affine(images, rotate=20.0, flip=0.5))
    assert targets is classes


def test_several_images_move_together():
    images, _, _ = scene()
    moved, _ = Augmentation(rotate=20.0, shift=3.0)({"colour": images, "depth": images, "age": torch.ones(12, 1)}, None)
    assert torch.equal(moved["colour"], moved["depth"])


def test_mixing_refuses_boxes():
    images, boxes, _ = scene()
    with pytest.raises(RunnerError, match="not for boxes"):
        Augmentation(mix=lambda *both: both)(images, boxes)
