"""UnseenDigits: handwritten digits, some of which training never sees."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from runner.data.images.digits import Digits
from runner.data.images.embedding.class_batches import ClassBatches
from runner.data.module import Source
from runner.data.split import set_aside
from runner.errors import RunnerError


class UnseenDigits(ClassBatches, Digits):
    """The images of `Digits`; those of the unseen classes are divided between validation and test.

    Args:
        unseen: digits that are not trained, two or more.
    """

    def __init__(self, *, unseen: Sequence[int], **image: Any) -> None:
        super().__init__(**image)
        self.unseen = sorted({*unseen})
        if not {*self.unseen} <= {*range(10)} or not 2 <= len(self.unseen) <= 8:
            raise RunnerError(f"data.unseen={[*unseen]}: must be two to eight of the digits 0 to 9.")

    def load(self) -> Source:
        """Read the digits, and set aside the unseen ones, half of each for validation."""
        source = super().load()
        labels = torch.as_tensor(source.targets)
        rows = torch.isin(labels, torch.tensor(self.unseen)).nonzero().squeeze(1)
        test, val = set_aside(rows, len(rows) // 2, seed=self.split_seed, labels=labels[rows])
        return replace(source, val=val, test=test)
