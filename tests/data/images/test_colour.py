"""Colour: torchvision's arithmetic with another factor for each image; rectangles of the stated sizes."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from runner.data.images.colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    random_colour,
    random_erasing,
)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (adjust_brightness, functional.adjust_brightness),
        (adjust_contrast, functional.adjust_contrast),
        (adjust_saturation, functional.adjust_saturation),
    ],
)
def test_every_image_gets_what_torchvision_gives_for_its_factor(channels, ours, theirs):
    images = torch.rand(6, channels, 9, 7, generator=torch.Generator().manual_seed(0))
    factors = torch.tensor([0.0, 0.4, 0.9, 1.0, 1.3, 2.0])
    expected = torch.stack([theirs(image, factor.item()) for image, factor in zip(images, factors, strict=True)])
    torch.testing.assert_close(ours(images, factors.view(-1, 1, 1, 1)), expected, rtol=1e-5, atol=1e-5)


def test_without_parameters_images_stay_as_they_are():
    images = torch.rand(4, 3, 8, 8)
    assert random_colour(images) is images


def test_brightness_factors_stay_in_range_and_differ():
    torch.manual_seed(0)
    factors = random_colour(torch.full((300, 1, 2, 2), 0.5), brightness=0.3)[:, 0, 0, 0] / 0.5
    assert 0.7 - 1e-6 <= factors.min() < 0.72 and 1.28 < factors.max() <= 1.3 + 1e-6
    assert len(factors.unique()) > 290


def test_saturation_leaves_grey_images_alone():
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(random_colour(images, saturation=0.9), images)


def test_erasing_blackens_one_rectangle_of_the_stated_area():
    torch.manual_seed(0)
    erased = random_erasing(torch.ones(400, 3, 40, 40), 1.0)[:, 0] == 0
    for mask in erased:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all(), "a rectangle, filled"
    areas = erased.float().mean((1, 2))
    assert 0.005 < areas.min() < 0.05 and 0.28 < areas.max() < 0.38


def test_erasing_spares_the_stated_share():
    torch.manual_seed(0)
    touched = (random_erasing(torch.ones(2000, 1, 20, 20), 0.25) == 0).any(dim=3).any(dim=2)
    assert abs(touched.float().mean() - 0.25) < 0.05  # five standard deviations of 2,000 draws


def test_no_erasing_at_probability_zero():
    images = torch.rand(50, 1, 8, 8)
    assert torch.equal(random_erasing(images, 0.0), images)
