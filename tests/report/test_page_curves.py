"""Thinned curves: fewer points, the same peaks."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.report import page_curves
from runner.report.page_curves import pace, thin
from runner.report.quantities import MACS, heading, is_cost, worth_showing

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


@pytest.mark.parametrize(
    ("seconds", "found", "wanted"),
    [
        ({"fit": 12.0}, {"train/loss": [(9.0, 1.0), (40.0, 0.5)], "test/loss": [(0.0, 1.0)]}, 0.3),
        ({"fit": 12.0}, {"test/loss": [(0.0, 1.0)]}, None),
        ({}, {"train/loss": [(40.0, 1.0)]}, None),
    ],
)
def test_steps_take_the_seconds_of_the_training_evenly(seconds, found, wanted, monkeypatch):
    monkeypatch.setattr(page_curves, "curves", lambda run: found)
    assert pace(SimpleNamespace(seconds=seconds)) == wanted


def test_multiply_accumulates_stand_beside_latency_where_networks_differ_in_them():
    latency = "benchmark/compiled/latency_ms/batch_1"
    rows = [{"val/accuracy": 0.9, MACS: macs, latency: 1.0, "parameters": 5.0} for macs in (10.0, 20.0)]
    assert worth_showing(rows, "val/accuracy") == ["val/accuracy", latency, MACS]
    assert MACS not in worth_showing(rows[:1], "val/accuracy")
    assert heading(MACS) == "MACs" and is_cost(MACS)


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
