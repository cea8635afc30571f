"""Boxes out of raw maps inside a file: exactly those of training's own way, whatever overlaps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import batched_nms

from runner.stages.parts.decoded import equal_boxes
from runner.tasks.vision.decoder import SHORTLIST, BoxDecoder, standing
from runner.tasks.vision.grid import boxes_of, flatten, places, scores_of, select

SHAPES, STRIDES = [(6, 6), (3, 3)], (8, 16)
ANCHORS = torch.tensor([[[8.0, 8.0], [12.0, 10.0]], [[20.0, 20.0], [30.0, 16.0]]])
CLASSES = 3


def maps(images: int, seed: int, spread: float = 2.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [spread * torch.randn(images, 2 * (5 + CLASSES), *shape, generator=generator) for shape in SHAPES]


def decoder(most: int = 20, least: float = 0.25) -> BoxDecoder:
    return BoxDecoder(SHAPES, STRIDES, ANCHORS, num_classes=CLASSES, least=least, overlap=0.5, most=most)


def selected(raw: list[Tensor], most: int = 20, least: float = 0.25) -> Tensor:
    answers, where = flatten(raw, 5 + CLASSES), places(SHAPES, STRIDES, ANCHORS)
    return select(boxes_of(answers, where), scores_of(answers), least=least, overlap=0.5, most=most)


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 3), st.floats(5, 90))
@settings(max_examples=40)
def test_suppression_is_torchvisions(seed, count, classes, width):
    generator = torch.Generator().manual_seed(seed)
    low = width * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([low, low + 2 + 40 * torch.rand(count, 2, generator=generator)], 1)
    labels = torch.randint(classes, (count,), generator=generator)
    scores = torch.linspace(1, 0.1, count)
    wanted = torch.zeros(count, dtype=torch.bool)
    wanted[batched_nms(boxes, scores, labels, 0.5)] = True
    got = standing(boxes[None], labels[None], torch.ones(1, count, dtype=torch.bool), 0.5)[0]
    assert torch.equal(got, wanted)


@pytest.mark.parametrize("most", [4, 20, 400])
def test_a_decoder_finds_what_training_finds(most):
    raw = maps(3, seed=0)
    assert torch.equal(decoder(most)(raw), selected(raw, most))


def test_an_image_without_objects_has_padding_only():
    raw = [torch.full_like(each, -9.0) for each in maps(2, seed=0)]
    found = decoder()(raw)
    assert found.shape == (2, 20, 6)
    assert bool((found[..., 5] == -1).all())


def test_the_number_of_boxes_is_bounded_however_many_there_are():
    shapes = [(60, 60)]
    many = BoxDecoder(shapes, (8,), ANCHORS[:1], num_classes=2, least=0.0, overlap=1.0, most=1000)
    found = many([torch.randn(1, 14, 60, 60)])
    assert found.shape == (1, 1000, 6)
    assert int((found[..., 5] >= 0).sum()) == SHORTLIST


def test_it_is_captured_for_any_number_of_images():
    batch = {0: torch.export.Dim("batch", min=1)}
    exported = torch.export.export(decoder(), (maps(2, 1),), dynamic_shapes=([batch, batch],), strict=True).module()
    raw = maps(5, seed=2)
    assert torch.equal(exported(raw), selected(raw))


def test_equal_boxes_are_counted_by_class_place_and_score():
    wanted = torch.tensor([[[0.0, 0, 10, 10, 0.9, 1], [20, 20, 30, 30, 0.8, 0], [0, 0, 0, 0, 0, -1]]])
    got = wanted.clone()
    assert equal_boxes(wanted, got, 0.25) == 1
    got[0, 0, 5] = 0
    assert equal_boxes(wanted, got, 0.25) == 0.5
    got = wanted.clone()
    got[0, 1, 4] -= 0.02
    assert equal_boxes(wanted, got, 0.25) == 0.5
    got = wanted.flip(1)
    got[0, :, 2] += 0.05
    assert equal_boxes(wanted, got, 0.25) == 1
    got[0, :, 2] += 0.2
    assert equal_boxes(wanted, got, 0.25) == 0
    assert equal_boxes(wanted, got, 0.95) == 1, "nothing is wanted from there on"
