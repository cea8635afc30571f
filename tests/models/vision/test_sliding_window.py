"""A classifier as convolutions: one pass over an image is every window by itself."""

import pytest
import torch

from runner.models.vision.sliding_window import SlidingWindow, windows


@pytest.fixture
def network() -> SlidingWindow:
    torch.manual_seed(0)
    made = SlidingWindow(3, 16, 4, channels=(6, 8), hidden=12)
    for _ in range(3):
        made(torch.randn(16, 3, 16, 16))  # statistics of batch norm that are not those of its beginning
    return made.eval()


def test_one_pass_equals_all_windows(network):
    images = torch.randn(2, 3, 36, 28, generator=torch.Generator().manual_seed(0))
    boxes, logits = windows(network, images, [16])
    assert network(images[:, :, :16, :16]).shape == (2, 4)
    assert len(boxes) == 6 * 4
    for (x1, y1, x2, y2), found in zip(boxes.int().tolist(), logits.unbind(1), strict=True):
        torch.testing.assert_close(network(images[:, :, y1:y2, x1:x2]), found, atol=1e-5, rtol=0)


def test_windows_of_several_sizes_lie_within_the_image(network):
    boxes, logits = windows(network, torch.randn(1, 3, 48, 64), [16, 32, 48])
    sides = boxes[:, 2] - boxes[:, 0]
    assert set(sides.tolist()) == {16, 32, 48}
    assert logits.shape == (1, len(boxes), 4)
    assert float(boxes.min()) == 0
    assert float(boxes[:, 2].max()) <= 64
    assert float(boxes[:, 3].max()) <= 48


def test_a_window_that_is_too_small_is_refused_with_the_size_that_works():
    with pytest.raises(ValueError, match=r"data\.image_size=10 or more"):
        SlidingWindow(1, 9, 2, channels=(4, 4))
    assert SlidingWindow(1, 10, 2, channels=(4, 4)).eval()(torch.zeros(1, 1, 10, 10)).shape == (1, 2)
