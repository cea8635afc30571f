"""Schedules: shares that rise to the target, as their papers say."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.compression.pruning.schedules import SCHEDULES, amounts
from runner.errors import RunnerError


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0.001, 0.999), st.integers(1, 30))
def test_amounts_rise_and_end_at_the_target(schedule, target, rounds):
    found = amounts(schedule, target, rounds)
    assert len(found) == (1 if schedule == "one_shot" else rounds)
    assert all(0 < before < after for before, after in pairwise(found))
    assert found[-1] == target


@given(st.floats(0.001, 0.999), st.integers(1, 30))
def test_every_iterative_round_takes_the_same_share_of_what_is_left(target, rounds):
    left = [1.0, *(1 - amount for amount in amounts("iterative", target, rounds))]
    shares = [after / before for before, after in pairwise(left)]
    assert shares == pytest.approx([(1 - target) ** (1 / rounds)] * rounds)


def test_the_cubic_schedule_is_that_of_zhu_and_gupta():
    assert amounts("cubic", 0.8, 4) == pytest.approx(
        [0.8 * (1 - 0.75**3), 0.8 * (1 - 0.5**3), 0.8 * (1 - 0.25**3), 0.8]
    )


@pytest.mark.parametrize("target", [1.0, -0.1, 1.5, float("nan")])
def test_targets_outside_their_range_are_refused(target):
    with pytest.raises(RunnerError, match=r"must be at least 0 and below 1"):
        amounts("one_shot", target, 1)


def test_unknown_schedules_and_no_rounds_are_refused():
    with pytest.raises(RunnerError, match=r"schedule=cubik: must be one of .* Did you mean cubic"):
        amounts("cubik", 0.5, 3)
    with pytest.raises(RunnerError, match="rounds=0: must be at least 1"):
        amounts("cubic", 0.5, 0)
