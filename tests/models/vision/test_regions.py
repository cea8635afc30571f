"""Regions: torchvision's detectors as networks of batches."""

import pytest
import torch

from runner.models.vision.instances import InstanceNetwork
from runner.models.vision.regions import RegionNetwork

SMALL = {"channels": (8, 8, 8, 8), "width": 8, "hidden": 16, "proposals": 20, "most": 7}
TARGETS = torch.tensor(
    [
        [[1.0, 4, 4, 20, 20], [2.0, 10, 12, 30, 28]],
        [[0.0, 5, 5, 5, 9], [-1.0, 0, 0, 0, 0]],  # one without area
        [[-1.0, 0, 0, 0, 0], [-1.0, 0, 0, 0, 0]],
    ]
)


@pytest.fixture(scope="module")
def network() -> RegionNetwork:
    torch.manual_seed(0)
    return RegionNetwork(3, 32, 3, **SMALL)


def test_training_answers_with_features_of_which_four_losses_are_made(network):
    images = torch.randn(3, 3, 32, 32)
    features = network.train()(images)
    losses = network.losses(images, features, TARGETS)
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
    assert all(bool(each.isfinite()) for each in losses.values()), "a box without area, or an image without a box"
    torch.stack(list(losses.values())).sum().backward()
    assert all(each.grad is not None for each in network.parameters())


def test_evaluation_answers_with_as_many_boxes_as_asked_for(network):
    with torch.no_grad():
        found = network.eval()(torch.randn(2, 3, 32, 32))
    assert found.shape == (2, 7, 6)
    assert {-1.0, 0.0, 1.0, 2.0} >= set(found[..., 5].flatten().tolist()), "the ground is no class of ours"
    there = found[found[..., 5] >= 0]
    assert bool((there[:, 2:4] > there[:, :2]).all())
    assert bool(((there[:, 4] >= 0.01) & (there[:, 4] <= 1)).all())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_size": 24}, r"data\.image_size=32 or another multiple, or model\.pyramid"),
        ({"sizes": [8]}, r"model\.sizes=\[8\]: must be one for each map"),
        ({"channels": (4, 8)}, r"Give model\.channels 4 widths"),
    ],
)
def test_what_does_not_fit_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        RegionNetwork(**({"in_channels": 3, "image_size": 32, "num_classes": 2} | settings))


def test_masks_have_a_loss_of_their_own_and_stand_beside_their_boxes():
    torch.manual_seed(0)
    network = InstanceNetwork(3, 32, 3, mask_width=8, mask_layers=1, **SMALL)
    images, objects = torch.randn(3, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.uint8)
    objects[0, 4:20, 4:20], objects[0, 12:28, 10:30] = 1, 2
    targets = {"boxes": TARGETS, "objects": objects}
    wanted = network.wanted(targets)
    assert [each["masks"].sum((1, 2)).tolist() for each in wanted] == [[16 * 16 - 8 * 10, 16 * 20], [], []]
    losses = network.losses(images, network.train()(images), targets)
    assert losses["loss_mask"].isfinite()
    assert len(losses) == 5
    with torch.no_grad():
        found, masks = network.eval()(images)
    assert (found.shape, masks.shape) == ((3, 7, 6), (3, 7, 28, 28))
    assert bool((masks[found[..., 5] < 0] == 0).all())
    assert bool(((masks >= 0) & (masks <= 1)).all())
