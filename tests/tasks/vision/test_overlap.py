"""Metrics of masks: over the pixels of the whole data set, with ignored pixels and absent classes."""

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex
from torchmetrics.segmentation import DiceScore

from runner.data.images.geometry.affine import IGNORED
from runner.tasks.vision.overlap import Overlap, confusion, iou, overlap_metrics

CLASSES = 4


@pytest.fixture
def masks():
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(CLASSES, (6, 9, 9), generator=generator)
    wrong = torch.randint(CLASSES, (6, 9, 9), generator=generator)
    predicted = torch.where(torch.rand(6, 9, 9, generator=generator) < 0.6, true, wrong)
    true[torch.rand(6, 9, 9, generator=generator) < 0.1] = IGNORED
    return predicted.to(torch.uint8), true.to(torch.uint8)


def values(predicted, true):
    metrics = overlap_metrics(CLASSES, None, 20)
    for metric in metrics.values():
        metric.update(predicted[:2], true[:2])
        metric.update(predicted[2:], true[2:])
    return {name: metric.compute() for name, metric in metrics.items()}


def test_iou_dice_and_accuracy_are_torchmetrics_over_all_pixels(masks):
    predicted, true = (each.long() for each in masks)
    found = values(*masks)
    jaccard = MulticlassJaccardIndex(CLASSES, average=None, ignore_index=IGNORED)(predicted, true)
    torch.testing.assert_close(torch.stack([found[f"iou/{index}"] for index in range(CLASSES)]), jaccard)
    torch.testing.assert_close(found["mean_iou"], jaccard.mean())
    accuracy = MulticlassAccuracy(CLASSES, average="micro", ignore_index=IGNORED)(predicted, true)
    torch.testing.assert_close(found["pixel_accuracy"], accuracy)
    counted = true != IGNORED
    score = DiceScore(CLASSES, average="macro", aggregation_level="global", input_format="index")
    flat = (predicted[counted][None], true[counted][None])
    torch.testing.assert_close(found["dice"], score(*flat))


def test_a_mean_over_images_is_another_number_and_called_so(masks):
    predicted, true = masks
    each = torch.stack([iou(confusion(predicted[i : i + 1], true[i : i + 1], CLASSES))[0].nanmean() for i in range(6)])
    found = values(predicted, true)
    torch.testing.assert_close(found["mean_iou_per_image"], each.mean(), check_dtype=False)
    assert abs(float(found["mean_iou_per_image"] - found["mean_iou"])) > 1e-4


def test_a_class_that_is_neither_true_nor_predicted_is_left_out():
    true = torch.tensor([[[0, 0, 1, IGNORED]]], dtype=torch.uint8)
    predicted = torch.tensor([[[0, 1, 1, 3]]], dtype=torch.uint8)
    metrics = overlap_metrics(CLASSES, ["ground", "cat", "dog", "bird"], 20)
    for metric in metrics.values():
        metric.update(predicted, true)
    assert float(metrics["mean_iou"].compute()) == 0.5
    assert float(metrics["iou/ground"].compute()) == 0.5
    assert bool(metrics["iou/dog"].compute().isnan())
    assert bool(metrics["iou/bird"].compute().isnan())  # only predicted where nothing counts


def test_an_image_of_ignored_pixels_counts_for_nothing():
    nothing = torch.full((1, 2, 2), IGNORED, dtype=torch.uint8)
    metric = Overlap("mean_iou_per_image", CLASSES)
    metric.update(torch.zeros_like(nothing), nothing)
    assert bool(metric.compute().isnan())
    metric.update(torch.zeros_like(nothing), torch.zeros_like(nothing))
    assert float(metric.compute()) == 1.0
