"""Localization: what counts of one object, by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from runner.tasks.vision.localization import Localization, ObjectOverlap, largest

SIZE, CLASSES = 40, 3
NOTHING = [-1.0, 0, 0, 0, 0]


def task(**settings) -> Localization:
    made = Localization(nn.Linear(1, 1), torch.optim.SGD, image_size=SIZE, num_classes=CLASSES, score=0.25, **settings)
    return made.eval()


def answer(there: float, box: list[float], classes: list[float]) -> Tensor:
    return torch.tensor([[there, *box, *classes]])


def test_of_several_objects_the_largest_is_meant():
    targets = torch.tensor([[[0.0, 0, 0, 5, 5], [2, 0, 0, 10, 10], NOTHING], [NOTHING, NOTHING, NOTHING]])
    assert largest(targets)[:, 0].tolist() == [2, -1]


def test_without_an_object_nothing_but_its_presence_counts():
    targets = torch.tensor([[NOTHING]])
    one = task().loss(answer(-2.0, [0.1, 0.2, 0.3, 0.4], [1, 2, 3]), targets)
    other = task().loss(answer(-2.0, [9, 9, 9, 9], [-3, 0, 5]), targets)
    assert float(one) == float(other) == pytest.approx(math.log1p(math.exp(-2)))


def test_with_an_object_every_part_counts():
    targets = torch.tensor([[[1.0, 10, 10, 30, 20]]])  # centre 0.5, 0.375; size 0.5, 0.25
    exact = [0.5, 0.375, 0.5, 0.25]
    loss = task(weights={"box": 2.0}).loss(answer(1.0, [0.6, *exact[1:]], [0.0, 0.0, 0.0]), targets)
    assert float(loss) == pytest.approx(math.log1p(math.exp(-1)) + 2 * 0.1**2 + math.log(3))
    best = task().loss(answer(30.0, exact, [-30.0, 30.0, -30.0]), targets)
    assert float(best) == pytest.approx(0, abs=1e-6)


def test_landmarks_stand_behind_the_corners():
    targets = torch.tensor([[[1.0, 10, 10, 30, 20, 12, 14, 20, 16]]])
    marks = torch.tensor([[0.3, 0.35, 0.5, 0.5]])
    outputs = torch.cat([answer(30.0, [0.5, 0.375, 0.5, 0.25], [-30, 30, -30]), marks], 1)
    marked = task(landmarks=2, weights={"landmarks": 1.0})
    assert float(marked.loss(outputs, targets)) == pytest.approx(0.1**2, abs=1e-6)
    assert marked.predictions(outputs)["landmarks"][0].tolist() == [[12, 14], [20, 20]]


def test_a_detection_is_its_box_with_the_score_of_object_and_class():
    found = task().detections(answer(0.0, [0.5, 0.5, 0.5, 0.25], [0.0, 20.0, 0.0]), 0.1)
    torch.testing.assert_close(found, torch.tensor([[[10.0, 15, 30, 25, 0.5, 1]]]))
    assert task().detections(found, 0.6)[0, 0].tolist() == [0, 0, 0, 0, 0, -1]


def test_the_mean_iou_is_over_images_with_an_object():
    metric = ObjectOverlap()
    found = torch.tensor([[[0.0, 0, 10, 10, 0.9, 1]], [[0.0, 0, 10, 10, 0.9, 1]]])
    metric.update(found, torch.tensor([[[1.0, 0, 0, 10, 5]], [NOTHING]]))
    assert float(metric.compute()) == 0.5
