"""Generated shapes: boxes and masks say what the pixels show."""

import torch

from runner.data.images.shapes.drawing import SHAPES, draw


def test_a_seed_decides_everything():
    first, again, other = (draw(8, 48, most=3, noise=10, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in ("images", "boxes", "masks"))
    assert not torch.equal(first.images, other.images)


def test_a_lone_shape_fills_its_box_as_its_kind_does():
    scenes = draw(200, 64, most=1, noise=0, seed=0)
    filled: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for boxes, mask in zip(scenes.boxes, scenes.masks, strict=True):
        label, x1, y1, x2, y2 = (int(each) for each in boxes[0])
        if label < 0:
            assert int(mask.max()) == 0
            continue
        rows, columns = (mask > 0).any(1).nonzero(), (mask > 0).any(0).nonzero()
        assert [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1] == [x1, y1, x2, y2]
        assert mask[mask > 0].unique().tolist() == [label + 1]
        filled[label].append(float((mask > 0).sum()) / ((x2 - x1) * (y2 - y1)))
    circle, square, triangle = (torch.tensor(filled[each]) for each in range(len(SHAPES)))
    torch.testing.assert_close(circle.mean(), torch.tensor(torch.pi / 4), atol=0.03, rtol=0)
    assert bool((square >= 0.45).all())  # half of the box where it stands on a corner
    assert 0.4 < float(triangle.mean()) < 0.6


def test_most_pictures_have_objects_some_have_none_and_padding_comes_last():
    scenes = draw(300, 32, most=4, noise=5, seed=0)
    there = scenes.boxes[:, :, 0] >= 0
    counts = there.sum(1)
    assert set(counts.tolist()) == {0, 1, 2, 3, 4}
    assert 0 < int((counts == 0).sum()) < 45
    assert bool((there.int().diff(dim=1) <= 0).all())
    classes = scenes.boxes[..., 0][there].long().bincount()
    assert int(classes.min()) > 0.8 * int(classes.max())
