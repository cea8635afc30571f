"""What every way of quantizing can be told beside its recipe, checked without torch by `constraints.mistakes`."""

from typing import Annotated

from runner.compression.constraints import above, at_least


class Calibration:
    """Which training data ranges are taken from."""

    batches: Annotated[int, at_least(1)]
    batch_size: Annotated[int, at_least(1)]
    seed: Annotated[int, at_least(0)]


class RoundedFineTune:
    """What training under rounding is told."""

    epochs: Annotated[int, at_least(1)]
    lr: Annotated[float, above(0)]
    observers_after: Annotated[int, at_least(0)] | None
    batch_norm_after: Annotated[int, at_least(0)] | None
