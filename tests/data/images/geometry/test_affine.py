"""Random affine maps: exact where the answer is known, in range, and different for each image."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import affine_grid

from runner.data.images.geometry.affine import random_affine, random_matrices, sampling_grid

STILL = {"shift": 0.0, "rotate": 0.0, "scale": 0.0, "shear": 0.0, "flip": 0.0}


def matrices(count: int = 500, size: tuple[int, int] = (28, 28), **given) -> torch.Tensor:
    torch.manual_seed(0)
    return random_matrices(count, size, **{**STILL, **given})


def test_without_parameters_images_stay_as_they_are():
    images = torch.rand(5, 3, 9, 7)
    torch.testing.assert_close(random_affine(images), images, rtol=0, atol=1e-6)


def test_certain_flip_mirrors_left_to_right():
    images = torch.rand(5, 1, 6, 8)
    torch.testing.assert_close(random_affine(images, flip=1.0), images.flip(3), rtol=0, atol=1e-5)


def test_half_of_the_images_are_mirrored_at_one_half():
    mirrored = (matrices(4000, flip=0.5)[:, 0, 0] < 0).float().mean()
    assert abs(mirrored - 0.5) < 0.04  # five standard deviations of 4,000 draws


@given(height=st.integers(3, 12), width=st.integers(3, 12), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_sampling_grid_is_torchs_affine_grid(height, width, seed):
    theta = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(seed))
    ours, theirs = sampling_grid(theta, height, width), affine_grid(theta, [4, 1, height, width], align_corners=False)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_shift_is_in_pixels_on_both_axes():
    found = matrices(shift=2, size=(10, 20))[:, :, 2] * torch.tensor([20, 10]) / 2
    assert (found.abs() <= 2).all()
    assert (found.abs().amax(0) > 1.9).all() and (found.mean(0).abs() < 0.3).all()


def test_rotation_stays_in_its_range_and_keeps_sizes():
    maps = matrices(rotate=10)[:, :, :2]
    degrees = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]) * 180 / math.pi
    assert degrees.abs().max() <= 10 and degrees.max() > 9 and degrees.min() < -9
    torch.testing.assert_close(maps @ maps.mT, torch.eye(2).expand(500, 2, 2), rtol=0, atol=1e-6)


def test_rotation_on_an_oblong_image_is_one_in_pixels():
    to_pixels = torch.diag(torch.tensor([20.0, 10.0]))
    maps = to_pixels @ matrices(rotate=30, size=(10, 20))[:, :, :2] @ to_pixels.inverse()
    torch.testing.assert_close(maps @ maps.mT, torch.eye(2).expand(500, 2, 2), rtol=0, atol=1e-6)


def test_scale_changes_areas_by_the_square_of_its_range():
    sizes = 1 / torch.linalg.det(matrices(scale=0.1)[:, :, :2]).sqrt()
    assert sizes.min() >= 0.9 - 1e-5 and sizes.max() <= 1.1 + 1e-5
    assert sizes.min() < 0.91 and sizes.max() > 1.09


def test_shear_keeps_areas():
    maps = matrices(shear=20)[:, :, :2]
    torch.testing.assert_close(torch.linalg.det(maps), torch.ones(500))
    assert maps[:, 0, 1].abs().max() <= math.tan(math.radians(20)) + 1e-6


def test_each_image_is_moved_in_its_own_way():
    same = torch.rand(1, 1, 28, 28).repeat(8, 1, 1, 1)
    moved = random_affine(same, shift=2, rotate=10)
    assert len({tuple(image.flatten().tolist()) for image in moved}) == 8


def test_the_global_seed_fixes_the_result():
    images = torch.rand(4, 1, 28, 28)
    torch.manual_seed(3)
    first = random_affine(images, shift=2, rotate=10, scale=0.1, shear=5, flip=0.5)
    torch.manual_seed(3)
    assert torch.equal(first, random_affine(images, shift=2, rotate=10, scale=0.1, shear=5, flip=0.5))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_values_stay_between_the_images_and_black(value):
    moved = random_affine(torch.full((16, 1, 12, 12), value), shift=4, rotate=45, scale=0.3, shear=20)
    assert moved.min() >= 0 and moved.max() <= 1 + 1e-5
