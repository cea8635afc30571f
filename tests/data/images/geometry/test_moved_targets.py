"""An augmentation moves boxes and masks with their images."""

import pytest
import torch

from runner.data.images.augmentation import Augmentation
from runner.data.images.geometry.affine import displaced, move_boxes, random_affine, random_crops, random_fields
from runner.errors import RunnerError

GEOMETRIES = [
    {"flip": 1.0},
    {"flip": 0.5},
    {"shift": 4.0},
    {"scale": 0.3, "shift": 3.0},
    {"rotate": 30.0, "shear": 10.0, "flip": 0.5},
    {"crop": 5},
    {"area": 0.7, "aspect": 1.3},
    {"warp": 3.0, "warp_spacing": 14.0},
    {"warp": 2.0, "rotate": 15.0, "area": 0.9, "flip": 0.5},
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


def test_a_crop_of_a_border_moves_by_whole_pixels():
    torch.manual_seed(0)
    images = torch.rand(1, 1, 9, 7).repeat(40, 1, 1, 1)
    moved, _ = Augmentation(crop=2)(images, torch.zeros(40))
    padded = torch.nn.functional.pad(images[0, 0], (2, 2, 2, 2))
    places = [(y, x) for y in range(5) for x in range(5)]
    parts = torch.stack([padded[y : y + 9, x : x + 7] for y, x in places])
    near = (moved[:, 0, None] - parts).abs().amax((2, 3)) < 1e-5
    assert near.any(1).all()
    assert near.any(0).sum() > 15, "hardly two of forty are cut alike"


def test_what_is_cut_out_has_the_area_and_the_proportions_that_were_asked_for():
    torch.manual_seed(0)
    maps = random_crops(2000, (40, 60), padding=0, area=0.5, aspect=1.2)
    across, down = maps[:, 0, 0], maps[:, 1, 1]
    assert (across * down).min() > 0.5 / 1.2 and (across * down).max() <= 1
    assert (across / down).max() <= 1.2 + 1e-5 and (across / down).min() >= 1 / 1.2 - 1e-5
    assert ((maps[:, 0, 2].abs() + across) <= 1 + 1e-6).all(), "a part leaves the image"


@pytest.mark.parametrize("seed", range(5))
def test_a_warp_never_folds_and_points_find_their_way(seed):
    torch.manual_seed(seed)
    field = random_fields(3, (48, 64), pixels=4.0, spacing=16.0)
    steps = (field[:, 0].diff(dim=2) * 32, field[:, 1].diff(dim=1) * 24)
    assert all(each.min() > -1 for each in steps), "neighbours change places"
    points = torch.rand(3, 50, 2) * 1.4 - 0.7
    there = displaced(points, field)
    sampled = torch.nn.functional.grid_sample(field, there[:, None], padding_mode="border", align_corners=False)
    torch.testing.assert_close(there + sampled[:, :, 0].mT, points, rtol=0, atol=2e-3)


def test_a_mosaic_shows_parts_of_four_images_with_their_boxes_and_masks():
    torch.manual_seed(3)
    images = torch.zeros(8, 1, 40, 60)
    boxes = torch.tensor([-1.0, 0, 0, 0, 0]).repeat(8, 2, 1)
    for number in range(8):  # a rectangle of its own brightness and class in each
        images[number, :, 14:26, 20:40] = (number + 1) / 8
        boxes[number, 0] = torch.tensor([number, 20.0, 14, 40, 26])
    masks = (images[:, 0] * 8).round().to(torch.uint8)
    moved, targets = Augmentation(mosaic=1.0)(images, {"boxes": boxes, "masks": masks})
    assert not (targets["masks"] == 255).any(), "nothing comes in from outside"
    counts = (targets["boxes"][..., 0] >= 0).sum(1)
    assert counts.max() > 1 and targets["boxes"].shape[1] == counts.max()
    for image, found, mask in zip(moved[:, 0], targets["boxes"], targets["masks"], strict=True):
        for label, *corners in (row.tolist() for row in found if row[0] >= 0):
            x1, y1, x2, y2 = (round(each) for each in corners)
            inner = image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
            torch.testing.assert_close(inner, torch.full_like(inner, (label + 1) / 8))
            assert (mask[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] == label + 1).all()


def test_a_share_of_a_mosaic_leaves_the_other_images_alone():
    torch.manual_seed(0)
    images, boxes, masks = scene(40)
    images += torch.rand(40, 1, 1, 1) / 2
    moved, targets = Augmentation(mosaic=0.5)(images, (boxes, masks))
    stayed = (moved == images).all((1, 2, 3))
    assert 8 < stayed.sum() < 32
    assert torch.equal(targets[1][stayed], masks[stayed])
    assert torch.equal(targets[0][stayed][:, 0], boxes[stayed][:, 0])


def test_a_sliver_of_a_box_is_no_object():
    box = torch.tensor([[[1.0, 0, 0, 20, 20]]])
    kept, gone = (move_boxes(box, torch.tensor([[[1.0, 0, 2 * x / 60], [0, 1, 0]]]), (40, 60))[0, 0] for x in (15, 17))
    torch.testing.assert_close(kept, torch.tensor([1.0, 0, 0, 5, 20]))
    assert gone.tolist() == [-1, 0, 0, 0, 0]
