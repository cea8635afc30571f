"""UnseenDigits: handwritten digits, some of which training never sees."""

from collections.abc import Sequence
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
        turned: train quarter turns of the other digits, to the left and to the right, as classes of their own: the
            more classes, the more of what is learned holds for others. Source: Santoro et al., 2016. Half turns make
            a 9 of a 6.
    """

    def __init__(self, *, unseen: Sequence[int], turned: bool = False, **image: Any) -> None:
        super().__init__(**image)
        self.unseen, self.turned = sorted({*unseen}), turned
        if not {*self.unseen} <= {*range(10)} or not 2 <= len(self.unseen) <= 8:
            raise RunnerError(f"data.unseen={[*unseen]}: must be two to eight of the digits 0 to 9.")

    def load(self) -> Source:
        """Read the digits, and set aside the unseen ones, half of each for validation."""
        source = super().load()
        images, labels = torch.as_tensor(source.inputs), torch.as_tensor(source.targets)
        names = source.class_names or ()
        unseen = torch.isin(labels, torch.tensor(self.unseen))
        rows = unseen.nonzero().squeeze(1)
        test, val = set_aside(rows, len(rows) // 2, seed=self.split_seed, labels=labels[rows])
        if self.turned:
            turned = [images[~unseen].rot90(turns, (2, 3)) for turns in (1, -1)]
            images = torch.cat([images, *turned])
            labels = torch.cat([labels, *(labels[~unseen] + len(names) * part for part in (1, 2))])
            names = (*names, *(f"{name} turned {way}" for way in ("left", "right") for name in names))
        return Source(images, labels, val, test, class_names=names)
