"""Masks of objects: their overlap is counted in pixels, and their mean average precision is COCO's."""

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision
from torchvision.models.detection.roi_heads import paste_masks_in_image, project_masks_on_boxes

from runner.data.images.instances.instances import INSIDE, in_front
from runner.tasks.vision.average_precision import MaskMatches, precision_metrics
from runner.tasks.vision.instances import in_image, mask_overlaps

CLASSES, SIDE = 2, 24


def test_overlaps_are_shares_of_pixels():
    objects = torch.zeros(4, 4, dtype=torch.uint8)
    objects[:2], objects[3] = 1, 3
    objects[2, 0] = 255  # a crowd
    found = torch.stack([objects == 1, torch.ones(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)])
    expected = torch.tensor([[0, 1, 0, 0], [1 / 16, 0.5, 0, 0.25], [0, 0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(mask_overlaps(found, objects, 3), expected, rtol=0, atol=1e-6)
    assert in_front(found[[0, 1]].float()).tolist() == [[1] * 4] * 2 + [[2] * 4] * 2


def test_a_mask_lies_where_roi_align_cut_it_out():
    """The targets of training, put back, are the objects; torchvision's own pasting is a pixel too large."""
    places = torch.arange(64) + 0.5
    across, down = places - 30.5, places[:, None] - 21
    ellipse = (across / 9.5) ** 2 + (down / 7) ** 2 <= 1
    box = torch.tensor([[21.0, 14, 40, 28]])
    target = project_masks_on_boxes(ellipse[None].float(), box, torch.zeros(1, dtype=torch.int64), 28)
    overlaps = [
        float(mask_overlaps(pasted > INSIDE, ellipse.to(torch.uint8), 1)[0, 1])
        for pasted in (in_image(target, box, 64), paste_masks_in_image(target[:, None], box, (64, 64))[:, 0])
    ]
    assert overlaps[0] > 0.99
    assert overlaps[1] < 0.95
    whole = in_image(torch.ones(1, 28, 28), torch.tensor([[2.5, 3, 7.4, 60]]), 64)
    assert whole[0].nonzero().amin(0).tolist() == [3, 2]
    assert whole[0].nonzero().amax(0).tolist() == [59, 6], "a pixel whose middle lies in the box"
    assert in_image(torch.ones(0, 28, 28), torch.zeros(0, 4), 64).shape == (0, 64, 64)


def test_average_precision_of_masks_is_cocos():
    draw = np.random.default_rng(0)
    found, boxes, guessed, known = [], [], [], []
    for _ in range(12):
        objects = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
        for row in range(3):
            x, y = draw.integers(0, SIDE - 8, 2)
            objects[y : y + 8, x : x + 8] = row + 1
        crowd = (objects == 0) & (torch.arange(SIDE) < 12)
        objects[crowd] = 255
        seen = torch.stack([(objects == row + 1).any() for row in range(3)])
        labels = torch.from_numpy(draw.integers(0, CLASSES, 3))
        rows = torch.arange(1, 4)[:, None, None]
        masks = torch.cat([objects == rows, (objects == rows).roll((1, 2), (1, 2)), (objects == rows).roll(6, 1)])
        scores = torch.from_numpy(draw.random(9)).float()
        detections = torch.zeros(9, 6)
        detections[:, 4], detections[:, 5] = scores, labels.repeat(3)
        targets = torch.zeros(3, 5)
        targets[:, 0] = torch.where(seen, labels, -1)
        found.append(torch.cat([detections, mask_overlaps(masks, objects, 3)], 1))
        boxes.append(targets)
        guessed.append({"masks": masks, "scores": scores, "labels": labels.repeat(3)})
        # to COCO a crowd is of one class: here there is one of each
        truth = torch.cat([(objects == rows)[seen], crowd.expand(CLASSES, -1, -1)])
        is_crowd = torch.cat([torch.zeros(int(seen.sum())), torch.ones(CLASSES)]).long()
        known.append({"masks": truth, "labels": torch.cat([labels[seen], torch.arange(CLASSES)]), "iscrowd": is_crowd})
    metrics = precision_metrics(MaskMatches(CLASSES), None, CLASSES, of="mask_")
    for metric in metrics.values():
        metric.update(torch.stack(found), torch.stack(boxes))
    coco = MeanAveragePrecision(iou_type="segm", backend="faster_coco_eval")
    coco.update(guessed, known)
    wanted = coco.compute()
    assert float(metrics["mask_map"].compute()) == pytest.approx(float(wanted["map"]), abs=1e-6)
    assert float(metrics["mask_map50"].compute()) == pytest.approx(float(wanted["map_50"]), abs=1e-6)
    assert 0.1 < float(wanted["map"]) < 0.9
