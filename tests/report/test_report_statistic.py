"""Mean, deviation and interval over a few seeds."""

import pytest

from runner.report.statistic import Statistic, statistic, student_t


# Two-sided 95 % points, to ten digits, as in any table of Student's distribution.
@pytest.mark.parametrize(
    ("freedom", "expected"),
    [
        (1, 12.7062047362),
        (2, 4.3026527297),
        (3, 3.1824463053),
        (4, 2.7764451052),
        (5, 2.5705818356),
        (10, 2.2281388520),
        (30, 2.0422724563),
        (101, 1.9837310031),
    ],
)
def test_students_t_is_that_of_the_tables(freedom, expected):
    assert student_t(freedom) == pytest.approx(expected, abs=1e-9)


def test_the_interval_of_many_runs_is_that_of_the_normal_distribution():
    assert student_t(100_000) == pytest.approx(1.959964, abs=3e-5)


def test_another_confidence_has_another_t():
    assert student_t(9, 0.99) == pytest.approx(3.2498355416, abs=1e-9)


def test_four_values():
    found = statistic([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.count) == (2.5, 4)
    assert found.std == pytest.approx((5 / 3) ** 0.5)  # 5 is the sum of squares, 3 the degrees of freedom
    half = 3.1824463053 * (5 / 3) ** 0.5 / 2
    assert (found.low, found.high) == (pytest.approx(2.5 - half), pytest.approx(2.5 + half))


def test_one_value_has_no_spread():
    assert statistic([0.25]) == Statistic(0.25, None, None, None, 1)


def test_equal_values_have_an_interval_of_no_width():
    assert statistic([0.5, 0.5, 0.5]) == Statistic(0.5, 0.0, 0.5, 0.5, 3)
