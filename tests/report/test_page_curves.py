"""Thinned curves: fewer points, the same peaks."""

import math

from hypothesis import given
from hypothesis import strategies as st

from runner.report.page_curves import thin

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=300)


def test_a_short_curve_is_left_alone():
    points = [(1.0, 0.5), (2.0, 0.25), (3.0, 0.75)]
    assert thin(points, 4) == points


def test_one_step_that_leapt_is_still_seen():
    points = [(float(step), 1.0) for step in range(1000)]
    points[617] = (617.0, 50.0)
    assert (617.0, 50.0) in thin(points, 10)


def test_values_that_are_no_number_are_left_out():
    assert thin([(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 2.0)], 10) == [(0.0, 1.0), (3.0, 2.0)]


@given(VALUES, st.integers(4, 50))
def test_ends_and_extremes_stay_in_order_within_the_limit(values, limit):
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thin(points, limit)
    assert len(kept) <= limit
    assert kept == sorted({*kept} & {*points})
    if points:
        assert kept[0] == points[0] and kept[-1] == points[-1]
        assert min(value for _, value in kept) == min(values)
        assert max(value for _, value in kept) == max(values)
