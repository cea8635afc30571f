"""The size formulas agree with what torch's own layers leave."""

import pytest
import torch
from torch import nn

from runner.models.convolution import output_size, size_after_stages


@pytest.mark.parametrize("size", [7, 12, 28])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 0, 1), (2, 1, 1), (3, 2, 1), (1, 2, 2)])
def test_output_size_equals_torchs(size, kernel_size, stride, padding, dilation):
    layer = nn.Conv2d(1, 1, kernel_size, stride, padding, dilation, device="meta")
    expected = layer(torch.empty(1, 1, size, size, device="meta")).shape[-1]
    assert output_size(size, kernel_size, stride=stride, padding=padding, dilation=dilation) == expected


def test_28_pixels_leave_4_after_two_stages_of_5x5():
    assert size_after_stages(28, kernel_size=5, stages=2) == 4


@pytest.mark.parametrize(("kernel_size", "stages", "smallest"), [(5, 2, 16), (3, 2, 10), (5, 3, 36)])
def test_the_smallest_size_is_exact(kernel_size, stages, smallest):
    assert size_after_stages(smallest, kernel_size, stages) == 1
    with pytest.raises(ValueError, match=f"data.image_size={smallest}"):
        size_after_stages(smallest - 1, kernel_size, stages)
