"""BucketLoader: batches of sequences that are about equally long, so that little of them is padding."""

from typing import Any

import torch
from torch import Tensor

from runner.data.batches import BatchLoader, EpochOrder


class BucketLoader(BatchLoader):
    """A `BatchLoader` whose batches hold neighbours in length.

    An epoch's permutation is cut into pools of `pool` batches; each is sorted by length and cut into batches, whose
    order is then shuffled. All of it is a function of (seed, epoch). Without shuffling the split is sorted as a
    whole: shortest first.

    Args:
        lengths: int64 (rows,), the length of every row of the dataset.
        pool: batches in a pool; 1 does not bucket, more leave less padding and less chance.
    """

    def __init__(self, *args: Any, lengths: Tensor, pool: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lengths, self.pool = lengths, pool

    def padding_share(self) -> float:
        """Return the share of this epoch's tokens that are padding, from 0 to 1."""
        batches = self._batches()
        cells = sum(int(self.lengths[batch].max()) * len(batch) for batch in batches)
        return 1 - sum(int(self.lengths[batch].sum()) for batch in batches) / max(cells, 1)

    def _share(self) -> Tensor:
        # Ranks take turns in this order, so their batches are equally long as well.
        if not isinstance(self.sampler, EpochOrder):
            return self._for_rank(self.indices[self.lengths[self.indices].argsort(stable=True)])
        order = self.indices[self.sampler.permutation()]
        pools = order.split(self.batch_size * self.world_size * self.pool)
        return self._for_rank(torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools]))

    def _batches(self) -> list[Tensor]:
        batches = super()._batches()
        if not isinstance(self.sampler, EpochOrder):
            return batches
        return [batches[index] for index in self.sampler.permutation(len(batches))]
