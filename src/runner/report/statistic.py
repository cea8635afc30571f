"""Mean, standard deviation and confidence interval of a few runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

CONFIDENCE = 0.95
HALVINGS = 80


@dataclass(frozen=True)
class Statistic:
    """One metric over the runs of a row.

    Attributes:
        std: sample standard deviation (n - 1 in the denominator); None for a single run.
        low: lower end of the mean's 95 % interval by Student's t. For a single run that of an accuracy on test data, by
            Wilson, and None for all else.
        high: its upper end.
        count: how many runs have the metric.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    count: int


def statistic(values: Sequence[float]) -> Statistic:
    """Return the statistic of at least one finite value."""
    mean, count = fmean(values), len(values)
    if count == 1:
        return Statistic(mean, None, None, None, 1)
    std = stdev(values)
    margin = student_t(count - 1) * std / math.sqrt(count)
    return Statistic(mean, std, mean - margin, mean + margin, count)


@cache
def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the t between whose two signs `confidence` of Student's distribution lies: 12.706 for one degree.

    Equal to scipy.stats.t.ppf to 14 digits, whose import costs more than a report over a thousand runs may.
    """
    if freedom == 1:
        return math.tan(confidence * math.pi / 2)
    angle = bisect(lambda each: central_probability(each, freedom), confidence, math.pi / 2)
    return math.sqrt(freedom) * math.tan(angle)


def bisect(function: Callable[[float], float], wanted: float, high: float) -> float:
    """Return where in [0, high] a rising function takes the value `wanted`."""
    low = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return (low + high) / 2


def central_probability(angle: float, freedom: int) -> float:
    """Return P(|T| < √freedom tan(angle)): Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3, 26.7.4.

    Both are finite sums, exact for whole degrees of freedom.
    """
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for index in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (index - 1) / index
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
