"""Mean, standard deviation and confidence interval of a few runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Statistic:
    """One metric over the runs of a row.

    Attributes:
        std: sample standard deviation (n - 1 in the denominator); None for a single run.
        low: lower end of the mean's 95 % interval by Student's t; None for a single run.
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
    """Return the t between whose two signs `confidence` of Student's distribution lies: 12.706 for one degree."""
    from scipy.special import stdtrit  # as scipy.stats.t.ppf, in a third of its time to import

    return float(stdtrit(freedom, (1 + confidence) / 2))
