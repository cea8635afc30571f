"""BatchLoader: ready batches cut from tensors in memory, in an order that (seed, epoch) decides."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested


class Rows(Protocol):
    """Anything that batches are cut from: a tensor, or an object that yields rows for a tensor of indices."""

    def __getitem__(self, index: Tensor, /) -> Nested: ...

    def __len__(self) -> int: ...


class NestedRows:
    """Rows of several tensors in memory, in a tuple, list or dict: a batch has the same structure.

    Raises:
        RunnerError: tensors of unequally many rows.
    """

    def __init__(self, value: Nested) -> None:
        lengths = dict(zip(nested.names(value, "rows"), map(len, nested.leaves(value)), strict=True))
        if len(set(lengths.values())) != 1:
            counted = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise RunnerError(f"Inputs and targets must have a row for every sample in each tensor, not {counted}.")
        self.value = value

    def __getitem__(self, index: Tensor, /) -> Nested:
        return nested.rows(self.value, index)

    def __len__(self) -> int:
        return nested.samples(self.value)


def as_rows(value: Rows | Nested) -> Rows:
    """Return what batches can be cut from: `value` itself, unless it is a tuple, list or dict of tensors."""
    rows: Rows = NestedRows(value) if isinstance(value, (tuple, list, dict)) else value
    return rows


class EpochOrder:
    """A permutation of `count` samples; a function of (seed, epoch) and of nothing else.

    It sits at `BatchLoader.sampler`, where Lightning looks for `set_epoch`.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch (counted from 0)."""
        self.epoch = epoch

    def permutation(self, count: int | None = None) -> Tensor:
        """Return int64 (count,); of all samples unless another count is given."""
        generator = generator_of(self.seed, self.epoch)
        return torch.randperm(self.count if count is None else count, generator=generator)


class BalancedOrder(EpochOrder):
    """As many samples an epoch, every class equally often to within one; a function of (seed, epoch) as well.

    Of a class with more samples than its share an epoch sees some; the epochs take turns, so none is left out for
    long. One with fewer is gone through several times, each time in another order.

    Args:
        labels: int64 (n,), the class of each sample; classes that no sample has get no share.
    """

    def __init__(self, labels: Tensor, seed: int) -> None:
        super().__init__(len(labels), seed)
        self.members = [(labels == label).nonzero().squeeze(1) for label in labels.unique()]

    def permutation(self, count: int | None = None) -> Tensor:
        """Return int64 (n,), samples that occur several times or not at all; a plain order of another count."""
        if count is not None:
            return super().permutation(count)
        share, more = divmod(self.count, len(self.members))
        chosen = []
        for place, members in enumerate(self.members):
            # The classes that get one more change from epoch to epoch.
            wanted = share + ((place + self.epoch) % len(self.members) < more)
            chosen.append(members[self._turns(len(members), self.epoch * share, wanted, place)])
        return torch.cat(chosen)[super().permutation()]

    def _turns(self, size: int, start: int, wanted: int, place: int) -> Tensor:
        """Return positions `start` to `start + wanted` of an endless list of orders of `size` samples."""
        first, last = start // size, (start + wanted) // size
        rounds = [
            torch.randperm(size, generator=generator_of(self.seed, place, number)) for number in range(first, last + 1)
        ]
        return torch.cat(rounds)[start - first * size :][:wanted]


def generator_of(*numbers: int) -> torch.Generator:
    """Return a generator that these numbers decide."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(seed[0]))


class BatchLoader:
    """Loader of batches `(inputs[i], targets[i])`; one indexing per batch, no per-sample Python.

    `indices` int64 (n,) names the rows that belong to this split. With `world_size` > 1 each rank takes every
    world_size-th sample of the same permutation; the permutation is continued from its start until all ranks
    hold equally many, so that no rank waits for a batch another one lacks.

    With `labels` int64 (n,), the classes of `indices`, a shuffled epoch has every class equally often.

    A shuffled loader leaves out a last batch of a single sample (a different sample each epoch): batch
    normalisation can't train on one.

    The state is the epoch and the number of batches handed out. Lightning saves it in mid-epoch checkpoints;
    a loader that has loaded it goes on behind the last batch, unless another epoch has been set since.
    """

    def __init__(
        self,
        inputs: Rows,
        targets: Rows,
        indices: Tensor,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        labels: Tensor | None = None,
    ) -> None:
        self.inputs, self.targets, self.indices = inputs, targets, indices
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.num_workers = num_workers
        # Lightning takes a SequentialSampler for "not shuffled", and asks other samplers for set_epoch.
        self.sampler: EpochOrder | SequentialSampler = SequentialSampler(range(len(indices)))
        if shuffle:
            self.sampler = EpochOrder(len(indices), seed) if labels is None else BalancedOrder(labels, seed)
        self.batch_sampler = None  # Lightning asks for it wherever there is a sampler
        self._epoch, self._handed_out = 0, 0
        self._resume_from: tuple[int, int] | None = None

    @property
    def epoch(self) -> int:
        """The epoch whose order comes next; always 0 where nothing is shuffled."""
        return self.sampler.epoch if isinstance(self.sampler, EpochOrder) else 0

    def __len__(self) -> int:
        share = math.ceil(len(self.indices) / self.world_size)
        batches = math.ceil(share / self.batch_size)
        lone = isinstance(self.sampler, EpochOrder) and self.batch_size > 1 and share % self.batch_size == 1
        return batches - 1 if lone and batches > 1 else batches

    def __iter__(self) -> Iterator[tuple[Nested, Nested]]:
        # A generator on purpose: Lightning calls iter() before it sets the epoch, next() after.
        epoch, start = self.epoch, 0
        if self._resume_from is not None and self._resume_from[0] == epoch:
            start = self._resume_from[1]
        self._resume_from = None
        self._epoch, self._handed_out = epoch, start
        for batch in self._cut(self._batches()[start:]):
            self._handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch last iterated and how many of its batches were handed out."""
        if self._resume_from is not None:
            return {"epoch": self._resume_from[0], "batches": self._resume_from[1]}
        return {"epoch": self._epoch, "batches": self._handed_out}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; takes effect at the next iteration over the same epoch."""
        self._resume_from = (state["epoch"], state["batches"])

    def _batches(self) -> list[Tensor]:
        """Return this rank's rows, batch by batch, in the order in which they are handed out."""
        return list(self._share().split(self.batch_size)[: len(self)])

    def _share(self) -> Tensor:
        """Return this rank's rows in this epoch's order."""
        order = self.indices
        if isinstance(self.sampler, EpochOrder):
            order = order[self.sampler.permutation()]
        return self._for_rank(order)

    def _for_rank(self, order: Tensor) -> Tensor:
        """Return every world_size-th row of all ranks' order, which is continued from its start until it divides."""
        padding = -len(order) % self.world_size
        if padding:
            order = torch.cat([order, order.repeat(math.ceil(padding / len(order)))[:padding]])
        return order[self.rank :: self.world_size]

    def _cut(self, chunks: Sequence[Tensor]) -> Iterator[tuple[Nested, Nested]]:
        if self.num_workers == 0:
            return ((self.inputs[chunk], self.targets[chunk]) for chunk in chunks)
        # One item of the dataset is a whole batch, so the workers keep the order and nothing is collated.
        loader = DataLoader(
            _WholeBatches(self.inputs, self.targets),
            sampler=chunks,
            batch_size=None,
            num_workers=self.num_workers,
        )
        return map(_told, loader)


def _told(batch: tuple[Nested, Nested] | RunnerError) -> tuple[Nested, Nested]:
    """Return the batch; raise the mistake of the user's that a worker found, in the words of this process alone."""
    if isinstance(batch, RunnerError):
        raise batch
    return batch


class _WholeBatches(Dataset[tuple[Nested, Nested] | RunnerError]):
    """For worker processes: indexed by a tensor of rows, yields the batch, or why there is none."""

    def __init__(self, inputs: Rows, targets: Rows) -> None:
        self.inputs, self.targets = inputs, targets

    def __getitem__(self, rows: Tensor) -> tuple[Nested, Nested] | RunnerError:
        try:
            return self.inputs[rows], self.targets[rows]
        except RunnerError as error:
            return error
