"""Box arithmetic: equal to torchvision's, and true to what it is called."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import ops

from runner.measure import boxes

PLACES = st.floats(-100, 100, allow_nan=False, width=32)
SIZES = st.floats(0.5, 80, allow_nan=False, width=32)


@st.composite
def some_boxes(draw: st.DrawFn) -> Tensor:
    rows = draw(st.lists(st.tuples(PLACES, PLACES, SIZES, SIZES), min_size=1, max_size=8))
    return torch.tensor([[x, y, x + w, y + h] for x, y, w, h in rows], dtype=torch.float64)


@given(some_boxes(), some_boxes())
@settings(max_examples=50)
def test_overlaps_are_torchvisions(left, right):
    torch.testing.assert_close(boxes.iou(left[:, None], right), ops.box_iou(left, right))
    torch.testing.assert_close(boxes.giou(left[:, None], right), ops.generalized_box_iou(left, right))


@given(some_boxes(), some_boxes(), st.floats(0.1, 10))
@settings(max_examples=50)
def test_overlaps_are_symmetric_bounded_and_of_no_unit(left, right, scale):
    overlap = boxes.iou(left[:, None], right)
    assert bool(((overlap >= 0) & (overlap <= 1 + 1e-12)).all())
    torch.testing.assert_close(overlap, boxes.iou(right[:, None], left).T)
    torch.testing.assert_close(overlap, boxes.iou(scale * left[:, None], scale * right))
    torch.testing.assert_close(boxes.iou(left, left), torch.ones(len(left), dtype=left.dtype))
    generalised = boxes.giou(left[:, None], right)
    assert bool((generalised <= overlap + 1e-12).all())
    assert bool((generalised > -1).all())


def test_boxes_without_area_overlap_nothing():
    nothing = torch.tensor([3.0, 3, 3, 3])
    assert boxes.iou(nothing, nothing) == 0
    assert boxes.giou(nothing, nothing) == 0
    assert boxes.area(torch.tensor([5.0, 5, 2, 9])) == 0


@given(some_boxes())
@settings(max_examples=25)
def test_corners_and_centres_lead_back_to_each_other(corners):
    torch.testing.assert_close(boxes.to_corners(boxes.to_centres(corners)), corners)


@given(some_boxes(), st.sampled_from([4.0, 8.0, 32.0]))
@settings(max_examples=50)
def test_decoding_undoes_encoding(corners, stride):
    step = torch.full((len(corners), 1), stride, dtype=torch.float64)
    middle = boxes.to_centres(corners)[:, :2]
    middle = ((middle / stride).floor() + (middle / stride % 1).clamp(1e-3, 1 - 1e-3)) * stride
    corners = boxes.to_corners(torch.cat([middle, boxes.to_centres(corners)[:, 2:]], 1))
    cells = (middle / stride).floor()
    sizes = torch.full((len(corners), 2), 10.0, dtype=torch.float64)
    answers = boxes.encode(corners, cells, step, sizes)
    torch.testing.assert_close(boxes.decode(answers, cells, step, sizes), corners, rtol=1e-7, atol=1e-6)


def test_a_silent_cell_answers_its_anchor_in_its_middle():
    cells, step, size = torch.tensor([[2.0, 1]]), torch.tensor([[8.0]]), torch.tensor([[10.0, 4]])
    assert boxes.decode(torch.zeros(1, 4), cells, step, size).tolist() == [[15.0, 10.0, 25.0, 14.0]]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppression_is_torchvisions_class_by_class(threshold):
    generator = torch.Generator().manual_seed(0)
    low, scores = 60 * torch.rand(200, 2, generator=generator), torch.rand(200, generator=generator)
    corners = torch.cat([low, low + 5 + 30 * torch.rand(200, 2, generator=generator)], 1)
    classes = torch.randint(3, (200,), generator=generator)
    kept = boxes.suppress(corners, scores, classes, threshold)
    assert kept.tolist() == ops.batched_nms(corners, scores, classes, threshold).tolist()
    assert 3 < len(kept) < 200


def test_a_true_box_is_found_once_by_the_best_that_overlaps_it_enough():
    true = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    predicted = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [21, 0, 31, 10], [50, 50, 60, 60]])
    assert boxes.match(predicted, true, 0.5).tolist() == [0, -1, 1, -1]
    assert boxes.match(predicted, true, 0.85).tolist() == [0, -1, -1, -1]
    assert boxes.match(predicted, true[:0], 0.5).tolist() == [-1] * 4


def test_anchors_are_the_sizes_that_there_are():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([[8.0, 8], [12, 40], [60, 30]])
    sizes = kinds.repeat(50, 1) * (0.95 + 0.1 * torch.rand(150, 2, generator=generator))
    found = boxes.anchors(sizes, 3)
    torch.testing.assert_close(found, kinds, rtol=0.03, atol=0)


def test_anchors_of_fewer_sizes_are_these_sizes():
    sizes = torch.tensor([[30.0, 10], [5, 5]])
    assert boxes.anchors(sizes, 6).tolist() == [[5.0, 5.0], [30.0, 10.0]]
