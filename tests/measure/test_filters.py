"""The arithmetic of convolution is torch's, gives the values worked out by hand, and finds edges."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.measure.filters import EDGES, correlate, transpose_correlate
from runner.models.convolution import output_size, same_padding, transposed_size

ROWS = torch.tensor([[3.0, 4, 6, 5, 7], [2, 4, 6, 8, 2], [1, 6, 7, 8, 4], [9, 7, 4, 6, 2], [3, 7, 5, 4, 1]])
COUNTING = torch.arange(1.0, 10).view(3, 3)
PLAIN = [[211, 295, 262], [259, 282, 214], [251, 253, 169]]
PADDED = [
    *([91, 168, 224, 215, 127], [114, 211, 295, 262, 149], [192, 259, 282, 214, 122], [194, 251, 253, 169, 86]),
    [96, 112, 110, 68, 31],
]


@pytest.mark.parametrize(
    ("options", "expected"), [({}, PLAIN), ({"stride": 2}, [[211, 262], [251, 169]]), ({"padding": 1}, PADDED)]
)
def test_a_convolution_by_hand(options, expected):
    assert correlate(ROWS[None, None], COUNTING[None, None], **options)[0, 0].tolist() == expected


def test_sizes_and_weights_of_a_layer():
    layer = torch.nn.Conv2d(5, 10, 3)
    images = torch.rand(1, 5, 100, 100)
    assert tuple(layer.weight.shape) == (10, 5, 3, 3)
    assert correlate(images, layer.weight).shape == layer(images).shape == (1, 10, 98, 98)
    assert F.max_pool2d(ROWS[None, :4, :4], 2)[0].tolist() == [[4, 8], [9, 8]]


SIZES = {
    "size": st.integers(3, 7),
    "kernel": st.integers(1, 3),
    "stride": st.integers(1, 3),
    "padding": st.integers(0, 2),
}


@given(**SIZES)
@settings(max_examples=25)
def test_convolution_is_torchs(size, kernel, stride, padding):
    images, kernels = torch.rand(2, 3, size, size + 1), torch.rand(4, 3, kernel, kernel)
    found = correlate(images, kernels, stride=stride, padding=padding)
    torch.testing.assert_close(found, F.conv2d(images, kernels, stride=stride, padding=padding))
    assert found.shape[2] == output_size(size, kernel, stride=stride, padding=padding)


@given(**SIZES, more=st.integers(0, 2))
@settings(max_examples=25)
def test_transposed_convolution_is_torchs(size, kernel, stride, padding, more):
    more, padding = min(more, stride - 1), min(padding, kernel - 1)
    images, kernels = torch.rand(2, 3, size, size + 1), torch.rand(3, 4, kernel, kernel)
    options = {"stride": stride, "padding": padding, "output_padding": more}
    found = transpose_correlate(images, kernels, **options)
    torch.testing.assert_close(found, F.conv_transpose2d(images, kernels, **options))
    assert found.shape[2] == transposed_size(size, kernel, **options)


def test_a_transposed_convolution_puts_the_whole_filter_at_stride_distance():
    """4x4 of 2x2 by a filter of 3, padding 1 and stride 2 needs one line more at the far edges."""
    images, kernel = torch.tensor([[1.0, 2], [3, 4]])[None, None], torch.ones(1, 1, 3, 3)
    found = transpose_correlate(images, kernel, stride=2, padding=1, output_padding=1)[0, 0]
    assert found.tolist() == [[1, 3, 2, 2], [4, 10, 6, 6], [3, 7, 4, 4], [3, 7, 4, 4]]
    assert transposed_size(2, 3, stride=2, padding=1, output_padding=1) == 4


def test_padding_that_keeps_the_size():
    assert [same_padding(9, kernel) for kernel in (1, 2, 3, 5)] == [0, 0.5, 1, 2]
    assert output_size(9, 5, padding=2) == 9
    assert output_size(9, 3, stride=2, padding=int(same_padding(9, 3, stride=2))) == 9


@pytest.mark.parametrize("name", EDGES)
def test_a_filter_is_positive_from_bright_to_dark_and_zero_where_flat(name):
    image = torch.zeros(6, 6)
    image[:, :3] = 1
    image = image.T if name.endswith("horizontal") else image
    along = correlate(image[None, None], EDGES[name][None, None])[0, 0]
    along = along.T if name.endswith("horizontal") else along
    side = EDGES[name].clamp(min=0).sum()
    assert (along[:, 1:3] == side).all() and (along[:, [0, 3]] == 0).all()
    assert (correlate(1 - image[None, None], EDGES[name][None, None]).amin() == -side).item()
    assert (correlate(image.T[None, None], EDGES[name][None, None]) == 0).all(), "edges of the other direction"


def test_filters_for_several_channels_are_stacked_as_channels():
    colours = torch.rand(1, 3, 8, 8)
    kernels = torch.stack([EDGES["vertical"], EDGES["sobel_horizontal"]])[:, None].repeat(1, 3, 1, 1)
    found = correlate(colours, kernels)
    assert found.shape == (1, 2, 6, 6)
    torch.testing.assert_close(found[:, :1], correlate(colours.sum(1, keepdim=True), kernels[:1, :1]))
