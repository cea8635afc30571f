"""Networks that answer for every place: the sizes they give, take and refuse."""

import pytest
import torch

from runner.models.vision.unet import UNet
from runner.models.vision.yolo import YOLO


@pytest.mark.parametrize(("channels", "size"), [((4, 8), 10), ((4, 8, 16), 12)])
def test_a_unet_answers_for_every_pixel(channels, size):
    network = UNet(3, size, 5, channels).eval()
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 5, size, size)


def test_a_unet_sees_the_fine_and_the_coarse():
    """One pixel changes answers near and far: the skip and the way down both lead to the head."""
    torch.manual_seed(0)
    network = UNet(1, 16, 2, (4, 8, 8)).eval()
    image = torch.randn(4, 1, 16, 16, requires_grad=True)
    network(image)[:, 0, 8, 8].sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum(0)[0]
    assert float(seen[8, 8]) > 0
    assert float(seen[2:4, 2:4].sum()) > 0


def test_a_unet_names_a_size_that_halves():
    with pytest.raises(ValueError, match=r"data\.image_size=32 or another multiple of 8"):
        UNet(3, 30, 4)


@pytest.mark.parametrize("strides", [(8, 16), (4, 8, 16), (16,)])
def test_a_yolo_gives_a_map_for_each_stride(strides):
    network = YOLO(3, 64, 4, channels=(4, 4, 8, 8), strides=strides, anchors=2, width=8).eval()
    maps = network(torch.zeros(1, 3, 64, 64))
    assert [each.shape for each in maps] == [(1, 2 * 9, 64 // stride, 64 // stride) for stride in strides]
    assert all(float(each.detach().view(2, 9, -1)[:, 4].sigmoid().max()) < 0.1 for each in maps), "not empty at first"


def test_a_yolo_takes_a_trunk_of_timm():
    network = YOLO(3, 64, 2, strides=(8, 16), width=8, trunk="mobilenetv3_small_050").eval()
    assert [each.shape[2] for each in network(torch.zeros(1, 3, 64, 64))] == [8, 4]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_size": 60}, r"data\.image_size=64"),
        ({"strides": (8, 12)}, "ascending powers of two"),
        ({"strides": (16, 8)}, "ascending powers of two"),
        ({"channels": (4, 8)}, r"Give model\.channels 4 widths"),
        ({"trunk": "nothing"}, r"model\.trunk=nothing"),
        ({"trunk": "vit_tiny_patch16_224"}, r"model\.trunk=vit_tiny_patch16_224"),
        ({"trunk": "mobilenetv3_small_050", "strides": (64,)}, "has maps at strides 2, 4, 8, 16, 32"),
    ],
)
def test_a_yolo_refuses_what_does_not_fit(settings, said):
    with pytest.raises(ValueError, match=said):
        YOLO(**({"in_channels": 3, "image_size": 64, "num_classes": 2} | settings))
