"""Mean average precision is COCO's: equal to its evaluation, and to what can be reckoned by hand."""

import contextlib
import copy
import io

import faster_coco_eval
import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from runner.tasks.vision.average_precision import Matches, precision_metrics

CLASSES = 3


def made_up(images: int, most: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return detections (images, 3 * most, 6) and targets (images, most, 5): shifted, doubled and invented boxes."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    low = 80 * random(images, most, 2)
    true = torch.cat(
        [torch.randint(CLASSES, (images, most, 1), generator=generator), low, low + 6 + 30 * random(images, most, 2)], 2
    )
    true[random(images, most) < 0.3] = torch.tensor([-1.0, 0, 0, 0, 0])
    near = torch.cat([true[..., 1:] + 4 * (random(images, most, 4) - 0.5), random(images, most, 1), true[..., :1]], 2)
    again = torch.cat([near[..., :4] + 1, random(images, most, 1), near[..., 5:]], 2)
    places = 80 * random(images, most, 2)
    invented = torch.cat(
        [places, places + 20, random(images, most, 1), torch.randint(CLASSES, (images, most, 1), generator=generator)],
        2,
    )
    found = torch.cat([near, again, invented], 1)
    # ties of scores are ordinary with int8
    found[..., 4] = (found[..., 4] * 50).round() / 50
    return found.double(), true.double()


def by_coco(found: Tensor, true: Tensor) -> tuple[float, float, list[float]]:
    """Return map, map50 and the average precision of each class by faster-coco-eval."""
    images = [{"id": index + 1, "width": 200, "height": 200} for index in range(len(true))]
    annotations = []
    for image, rows in enumerate(true.tolist()):
        for label, x1, y1, x2, y2 in rows:
            if label >= 0:
                box = [x1, y1, x2 - x1, y2 - y1]
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": image + 1, "category_id": int(label) + 1, "bbox": box}
                    | {"area": box[2] * box[3], "iscrowd": 0}
                )
    results = [
        {"image_id": image + 1, "category_id": int(label) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for image, rows in enumerate(found.tolist())
        for x1, y1, x2, y2, score, label in rows
        if label >= 0
    ]
    categories = [{"id": index + 1, "name": str(index)} for index in range(CLASSES)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = faster_coco_eval.COCO({"images": images, "annotations": annotations, "categories": categories})
        evaluation = faster_coco_eval.COCOeval_faster(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, 2]
    return float(evaluation.stats[0]), float(evaluation.stats[1]), precision.mean((0, 1)).tolist()


@pytest.mark.parametrize(("images", "most", "seed"), [(12, 4, 0), (30, 7, 1), (1, 60, 2)])
def test_it_is_cocos(images, most, seed):
    found, true = made_up(images, most, seed)
    metrics = precision_metrics(Matches(CLASSES), None, CLASSES)
    for metric in metrics.values():
        metric.update(found, true)
    values = {name: float(metric.compute()) for name, metric in metrics.items()}
    whole, half, each = by_coco(found, true)
    assert values["map"] == pytest.approx(whole, abs=1e-9)
    assert values["map50"] == pytest.approx(half, abs=1e-9)
    assert [values[f"ap/{index}"] for index in range(CLASSES)] == pytest.approx(each, abs=1e-9)
    assert 0.05 < values["map"] < values["map50"] < 0.95


def detections(*rows: list[float]) -> Tensor:
    return torch.tensor([[*rows]])


TWO = torch.tensor([[[0.0, 0, 0, 10, 10], [0, 20, 0, 30, 10]]])


def test_two_of_two_are_all():
    found = detections([0.0, 0, 10, 10, 0.9, 0], [20, 0, 30, 10, 0.8, 0])
    assert Matches(1).average_precision([found], [TWO]).tolist() == [[1.0] * 10]


def test_one_of_two_is_half_of_the_recalls():
    found = detections([0.0, 0, 10, 10, 0.9, 0])
    # 51 of the 101 recalls are at most a half
    assert Matches(1).average_precision([found], [TWO])[0, 0] == pytest.approx(51 / 101)


def test_a_wrong_one_first_halves_the_precision():
    found = detections([50.0, 50, 60, 60, 0.9, 0], [0, 0, 10, 10, 0.8, 0])
    assert Matches(1).average_precision([found], [TWO])[0, 0] == pytest.approx(51 / 101 / 2)


def test_a_box_that_is_a_third_off_counts_at_half_and_not_beyond():
    found = detections([0.0, 0, 10, 6, 0.9, 0])  # IoU 0.6
    precision = Matches(1).average_precision([found], [TWO[:, :1]])[0]
    assert precision.tolist() == [1.0, 1.0, 1.0, *[0.0] * 7]


def test_a_class_without_objects_is_left_out_and_none_at_all_is_undefined():
    found = detections([0.0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.9, 1])
    metrics = precision_metrics(Matches(2), ["cat", "dog"], 20)
    for metric in metrics.values():
        metric.update(found, TWO[:, :1])
    assert float(metrics["map"].compute()) == 1.0
    assert float(metrics["ap/dog"].compute()) != float(metrics["ap/dog"].compute())
    empty = precision_metrics(Matches(2), None, 20)["map50"]
    empty.update(found, torch.full((1, 2, 5), -1.0))
    assert bool(empty.compute().isnan())


def test_another_data_set_is_not_taken_for_the_one_before():
    """Tensors of an evaluation that is over are gone, and new ones lie where they lay."""
    matches = Matches(1)
    for right in (True, False) * 10:
        corners = [0.0, 0, 10, 10] if right else [50.0, 50, 60, 60]
        precision = matches.average_precision([detections([*corners, 0.9, 0])], [TWO[:, :1].clone()])
        assert precision[0, 0] == float(right)


def test_the_metrics_of_a_test_share_one_search_for_matches(monkeypatch):
    calls = []
    monkeypatch.setattr(Matches, "curves", lambda self, *_: calls.append(1) or np.ones((2, 10, 101)))
    metrics = copy.deepcopy(precision_metrics(Matches(2), None, 20))
    collection = MetricCollection(metrics)
    collection.update(detections([0.0, 0, 10, 10, 0.9, 0]), TWO)
    collection.update(detections([0.0, 0, 10, 10, 0.9, 0]), TWO)
    assert set(collection.compute()) == {"map", "map50", "ap/0", "ap/1"}
    assert calls == [1]
