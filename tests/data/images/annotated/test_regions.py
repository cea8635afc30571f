"""Regions are read as COCO's own tools read them, moved with their pictures, and told when they are none."""

import re

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_masks
from hypothesis import given
from hypothesis import strategies as st

from runner.data.images.annotated.regions import LONGEST, RegionError, region_of
from runner.data.images.geometry.placement import placement
from runner.files.coco import encoded, unpacked

SIDE = 40
SAME = placement(SIDE, SIDE, SIDE, "pad")


def random_region(seed: int) -> np.ndarray:
    """Blobs bool (SIDE, SIDE), of which some touch the sides and some columns are full."""
    draw = np.random.default_rng(seed)
    region = np.zeros((SIDE, SIDE), dtype=bool)
    for _ in range(4):
        x, y = draw.integers(0, SIDE, 2)
        region[y : y + draw.integers(1, SIDE), x : x + draw.integers(1, 15)] ^= True
    return region


@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_compressed_or_not_are_what_cocos_tools_write(seed):
    region = random_region(seed)
    compressed = coco_masks.encode(np.asfortranarray(region.astype(np.uint8)))
    text = {"size": compressed["size"], "counts": compressed["counts"].decode()}
    assert unpacked(text["counts"]) == encoded(region)["counts"]
    for segmentation in (text, encoded(region)):
        found = region_of(segmentation)
        assert np.array_equal(found.drawn(SAME), region)
        assert found.misfit(SIDE, SIDE) is None
        rows, columns = region.any(1).nonzero()[0], region.any(0).nonzero()[0]
        assert found.corners() == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=12))
def test_long_and_short_runs_alike(counts):
    size = [sum(counts), 1]
    text = coco_masks.frPyObjects({"size": size, "counts": counts}, *size)["counts"].decode()
    assert unpacked(text) == counts


def test_a_polygon_is_filled_where_the_middle_of_a_pixel_lies_inside():
    rectangle = region_of([[3, 4, 10, 4, 10, 20, 3, 20]])
    expected = np.zeros((SIDE, SIDE), dtype=bool)
    expected[4:20, 3:10] = True
    assert np.array_equal(rectangle.drawn(SAME), expected)
    assert rectangle.corners() == (3, 4, 10, 20)
    hole = region_of([[0, 0, 20, 0, 20, 20, 0, 20, 0, 0, 5, 5, 15, 5, 15, 15, 5, 15, 5, 5]]).drawn(SAME)
    assert hole.sum() == 20 * 20 - 10 * 10
    two = region_of([[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6]]).drawn(SAME)
    assert two.sum() == 16 + 16 - 4


@pytest.mark.parametrize("seed", range(5))
def test_polygons_are_cocos_but_for_their_edge(seed):
    draw = np.random.default_rng(seed)
    angles = np.sort(draw.uniform(0, 2 * np.pi, 9))
    points = SIDE / 2 + draw.uniform(6, 18, 9)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    mine = region_of([points.ravel().tolist()]).drawn(SAME)
    coco = coco_masks.decode(coco_masks.frPyObjects([points.ravel().tolist()], SIDE, SIDE)[0]).astype(bool)
    assert (mine & coco).sum() / (mine | coco).sum() > 0.9
    inside = coco[1:-1, 1:-1] & coco[:-2, 1:-1] & coco[2:, 1:-1] & coco[1:-1, :-2] & coco[1:-1, 2:]
    assert mine[1:-1, 1:-1][inside].all(), "only pixels at the edge differ"


@pytest.mark.parametrize("fit", ["pad", "squash", "crop"])
def test_both_ways_to_tell_a_region_lie_alike_in_the_square(fit):
    place = placement(60, 40, 30, fit)
    region = np.zeros((40, 60), dtype=bool)
    region[8:32, 18:60] = True
    outline = region_of([[18, 8, 80, 8, 80, 32, 18, 32]]).drawn(place)  # what reaches out of the picture is cut
    assert np.array_equal(region_of(encoded(region)).drawn(place), outline)
    x1, y1, x2, y2 = place.forward((18, 8, 60, 32))
    assert outline.sum() == (min(x2, 30) - max(x1, 0)) * (y2 - y1)


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (None, "it has no segmentation"),
        ([], "it has no segmentation"),
        ("abc", "neither a list of polygons nor an object of size and counts"),
        ([1, 2, 3, 4, 5, 6], "is no list of numbers"),
        ([[1, 2, "3", 4, 5, 6]], "is no list of numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "has 7 numbers, where each point has two"),
        ([[1, 2, 3, 4]], "has 2 points, and needs 3"),
        ([[1, 2, 3, float("nan"), 5, 6]], "not finite"),
        ({"counts": [4]}, "the size of its run lengths is None"),
        ({"size": [2, 2, 2], "counts": [8]}, "the size of its run lengths is [2, 2, 2]"),
        ({"size": [2 * LONGEST, 1], "counts": [1]}, "the size of its run lengths is"),
        ({"size": [2, 2]}, "no list of whole numbers"),
        ({"size": [2, 2], "counts": [5, -1]}, "no list of whole numbers"),
        ({"size": [2, 2], "counts": [1, 2]}, "add up to 3 pixels, and 2x2 has 4"),
        ({"size": [2, 2], "counts": "P"}, "breaks off within a run length"),
        ({"size": [2, 2], "counts": "ä"}, "'ä' stands for no run length"),
    ],
)
def test_what_is_no_region_is_told(segmentation, said):
    with pytest.raises(RegionError, match=re.escape(said)):
        region_of(segmentation)


def test_run_lengths_of_another_picture_are_told():
    region = region_of({"size": [2, 3], "counts": [6]})
    assert region.misfit(3, 2) is None
    assert "are of 3x2 pixels, but the picture has 2x3" in region.misfit(2, 3)
    assert region.corners() == (0, 0, 0, 0), "none inside"
