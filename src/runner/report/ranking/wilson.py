"""Wilson's interval of a share that was counted over test samples."""

import re
from math import sqrt
from statistics import NormalDist

# What is a share of samples, each right or wrong; balanced accuracy, F1, AUROC and the like are no such share.
SHARES = re.compile(r"(?!.*(balanced|macro|mean)_accuracy)(\w+_)?accuracy|exact_match")
CONFIDENCE = 0.95


def is_share(name: str) -> bool:
    """Return whether a metric is a share of its samples, by the last part of its name."""
    return SHARES.fullmatch(name.rpartition("/")[2]) is not None


def wilson(share: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the ends of the interval in which the true share lies, in [0, 1] (Wilson 1927, "Probable inference").

    Unlike share ± z √(share (1 - share) / n) it is no point where all samples are right. Where a sample's own value is
    a share (of its pixels or letters), the interval is wider than need be, for such values vary less than 0 and 1.

    Args:
        count: the number of samples, at least 1.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    margin = z / scale * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - margin), min(1.0, middle + margin)
