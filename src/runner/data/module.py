"""DataModule: what every dataset has in common — splits in memory, ready batches, one transform per batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor

from runner.data.batches import BatchLoader, NestedRows, Rows, as_rows
from runner.data.split import fold, set_aside, size_of, strata
from runner.data.standardize import Standardizer
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

Batch = tuple[Nested, Nested]


@dataclass(frozen=True)
class Source:
    """A dataset as it was read: raw inputs (n, …), targets (n, …), and the rows its makers set aside, if any.

    Targets are int64 (n,) for classes, float32 (n,) of 0 and 1 for binary, float32 (n, num_targets) for
    regression. Inputs and targets may be tuples or dicts of tensors: several inputs of a network, padded boxes
    float32 (n, most, 5) of class and corners, class -1 being padding, or masks uint8 (n, height, width), 255 being
    ignored. `val` and `test` are int64 row numbers. `class_names` are given where there are classes; where the targets
    are one class a sample, splits are stratified.
    """

    inputs: Rows | Nested
    targets: Rows | Nested
    val: Tensor | None = None
    test: Tensor | None = None
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Samples:
    """The rows `indices` int64 (n,) of a dataset; `inputs` and `targets` copy them out when asked."""

    rows: Rows
    row_targets: Rows
    indices: Tensor

    @property
    def inputs(self) -> Nested:
        """Raw inputs (n, …), before the transform."""
        return self.rows[self.indices]

    @property
    def targets(self) -> Nested:
        """Targets (n, …)."""
        return self.row_targets[self.indices]

    def head(self, count: int) -> Batch:
        """Return the first `count` samples: (raw inputs, targets)."""
        return self.rows[self.indices[:count]], self.row_targets[self.indices[:count]]

    def spread(self, count: int) -> "Samples":
        """Return `count` samples evenly spaced over the split (at most all): many classes even where it is sorted."""
        count = min(count, len(self))
        return Samples(self.rows, self.row_targets, self.indices[torch.arange(count) * len(self) // max(count, 1)])

    def __len__(self) -> int:
        return len(self.indices)


class DataModule(pl.LightningDataModule, ABC):
    """Train, validation and test split of one dataset, served as ready batches `(inputs, targets)`.

    A subclass writes `load`, `to_inputs` and `read`. The split depends on `split_seed` alone; the order of
    training batches on (`shuffle_seed`, epoch) alone. The test split is taken first, so another
    `validation_fraction` leaves it as it was. Fractions are of all samples that no one has set aside: an official
    test set is used as it is, and `test_fraction` then means nothing.
    """

    kind: ClassVar[str]
    # Whether validation and test are of classes that training never sees, on purpose.
    divides_classes: ClassVar[bool] = False
    # Row numbers int64 (n,) that `predict` answers for when it is given no files; None where it must be given some.
    own_samples: Callable[[], Tensor] | None = None
    # How many samples a compressed network is ever shown at once; None for any number.
    most_at_once: int | None = None
    # Whether nothing will be trained or measured: reading may then put off what takes long.
    dry_run: bool = False
    # What a person should know of how the data was read, in sentences; `load` fills it.
    remarks: Sequence[str] = ()

    def __init__(
        self,
        *,
        batch_size: int = 64,
        num_workers: int = 0,
        split_seed: int = 0,
        shuffle_seed: int = 0,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.2,
        sampling: str | None = None,
    ) -> None:
        super().__init__()
        self.batch_size, self.num_workers = batch_size, num_workers
        self.split_seed, self.shuffle_seed = split_seed, shuffle_seed
        self.validation_fraction, self.test_fraction = validation_fraction, test_fraction
        self.row_sampling = sampling
        self.class_names: tuple[str, ...] | None = None
        self.splits: dict[str, Samples] = {}

    @abstractmethod
    def load(self) -> Source:
        """Read the whole dataset; raises RunnerError where it is neither there nor to be had."""

    @abstractmethod
    def transform(self, inputs: Nested) -> Nested:
        """Turn raw inputs (n, …) into what the network takes, float32; without augmentation."""

    @abstractmethod
    def read(self, paths: list[Path]) -> Nested:
        """Read the user's own files as raw inputs (n, …), for prediction; raises RunnerError naming a bad file."""

    def scale(self) -> Standardizer | None:
        """Return what inputs are standardized by, which pictures undo; None where they are as the user knows them."""
        return None

    def intake(self) -> dict[str, Any] | None:
        """Return what `read` and `transform` do as plain values, for serving without this object; None: untold."""
        return None

    def fix_shape(self) -> None:
        """Give every batch from now on the same shape per sample, as compiled programs need; most data has it."""

    def names_of(self, path: Path, inputs: Nested) -> list[str]:
        """Return names for the raw inputs (n, …) that `read` made of one file."""
        count = nested.samples(inputs)
        return [str(path)] if count == 1 else [f"{path}:{number}" for number in range(1, count + 1)]

    def as_given(self, path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what a task says of an input in terms of the file that it was read from."""
        return rows

    def training_batch(self, batch: Batch) -> Batch:
        """Return the training batch as the network gets it, on the device; a subclass adds augmentation here."""
        return self.transform(batch[0]), batch[1]

    def fit_transform(self, training: Samples) -> None:
        """Compute what `transform` needs from the training split; called whenever that split changes."""

    def setup(self, stage: str | None = None) -> None:
        """Load and divide once; later calls (Lightning makes one per stage) change nothing."""
        if self.splits:
            return
        source = self.load()
        source = replace(source, inputs=as_rows(source.inputs), targets=as_rows(source.targets))
        self.class_names = source.class_names
        self.splits = self.divide(source)
        if self.row_sampling is not None:
            labels_of(self.splits["train"], self.class_names)
        self.fit_transform(self.splits["train"])

    def divide(self, source: Source) -> dict[str, Samples]:
        """Divide the source into "train", "val", "test"; what its makers set aside stays as they did."""
        rest = torch.ones(len(source.targets), dtype=torch.bool)
        for given in (source.val, source.test):
            if given is not None:
                rest[given] = False
        train = rest.nonzero().squeeze(1)
        total, val, test = len(train), source.val, source.test
        if test is None:
            train, test = self._set_aside(source, train, size_of(self.test_fraction, total))
        if val is None:
            train, val = self._set_aside(source, train, size_of(self.validation_fraction, total))
        indices = {"train": train, "val": val, "test": test}
        return {name: Samples(source.inputs, source.targets, rows) for name, rows in indices.items()}

    def use_fold(self, index: int, folds: int) -> None:
        """Train on all but fold `index` (from 0) of the non-test samples, validate on that fold."""
        pool = self._pool()
        train, val = fold(
            pool.indices, index, folds, seed=self.split_seed, labels=strata(pool.targets, self.class_names)
        )
        self._retrain_on(pool, train, val)

    def check_folds(self, folds: int) -> None:
        """Raise RunnerError where the non-test samples cannot be divided into so many folds; change nothing."""
        pool = self._pool()
        fold(pool.indices, 0, folds, seed=self.split_seed, labels=strata(pool.targets, self.class_names))

    def use_all_for_training(self) -> None:
        """Train on everything but the test split; the validation split is then empty."""
        pool = self._pool()
        self._retrain_on(pool, pool.indices, pool.indices[:0])

    def keep_one_batch(self) -> None:
        """Leave the training split `batch_size` samples only, to see whether a network can learn them."""
        self.splits["train"] = self.splits["train"].spread(self.batch_size)

    def training_example(self) -> Batch:
        """Return `batch_size` training samples, after `keep_one_batch` all of them: transformed inputs, and targets."""
        samples = self.splits["train"].spread(self.batch_size)
        return self.transform(samples.inputs), samples.targets

    def train_dataloader(self) -> BatchLoader:
        """Return shuffled batches of the training split, or the same ones each epoch under `overfit_batches`."""
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        return self._loader("train", shuffle=not overfit)

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Return the validation split in fixed order; no loader at all where the split is empty."""
        return self._loader("val") if len(self.splits["val"]) else []

    def test_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Return the test split in fixed order; no loader at all where the split is empty."""
        return self._loader("test") if len(self.splits["test"]) else []

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Transform the raw batch on its device; with augmentation while the trainer trains."""
        if self.trainer is not None and self.trainer.training:
            return self.training_batch(batch)
        return self.transform(batch[0]), batch[1]

    def at_most(self, count: int) -> int:
        """Return `count`, or as many samples as a compressed network is ever shown at once, if that is fewer."""
        return count if self.most_at_once is None else min(count, self.most_at_once)

    def example(self, count: int = 2) -> Nested:
        """Return transformed inputs (at most count, …) of test samples, or of training samples where there are none."""
        split = self.splits["test"] if len(self.splits["test"]) else self.splits["train"]
        return self.transform(split.spread(self.at_most(count)).inputs)

    def batches(self, samples: Samples, size: int) -> Iterator[Batch]:
        """Yield `samples` in their order, `size` at a time, as the network takes them, with their targets.

        Nothing is augmented.
        """
        for part in samples.indices.split(size):
            yield self.transform(samples.rows[part]), samples.row_targets[part]

    def identify(self, row: int) -> dict[str, Any]:
        """Return the values that a row is known by, for tables of predictions; empty where rows have no name."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what prediction needs without the data: plain Python."""
        return {"class_names": list(self.class_names) if self.class_names else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.class_names = tuple(state_dict["class_names"] or ()) or None

    def _set_aside(self, source: Source, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        return set_aside(rows, count, seed=self.split_seed, labels=strata(source.targets[rows], source.class_names))

    def _pool(self) -> Samples:
        """Return all samples that aren't test samples, in ascending order."""
        if not self.splits:
            raise RunnerError("The data must be set up before it is divided into folds: call setup() first.")
        train, val = self.splits["train"], self.splits["val"]
        indices = torch.cat([train.indices, val.indices]).unique()
        return Samples(train.rows, train.row_targets, indices)

    def _retrain_on(self, pool: Samples, train: Tensor, val: Tensor) -> None:
        self.splits["train"] = Samples(pool.rows, pool.row_targets, train)
        self.splits["val"] = Samples(pool.rows, pool.row_targets, val)
        self.fit_transform(self.splits["train"])

    def _loader(self, split: str, *, shuffle: bool = False) -> BatchLoader:
        samples, trainer = self.splits[split], self.trainer
        return BatchLoader(
            samples.rows,
            samples.row_targets,
            samples.indices,
            batch_size=self.batch_size,
            shuffle=shuffle,
            seed=self.shuffle_seed,
            rank=trainer.global_rank if trainer is not None else 0,
            world_size=trainer.world_size if trainer is not None else 1,
            num_workers=0 if isinstance(samples.rows, (Tensor, NestedRows)) else self.num_workers,
            labels=self.sampled_labels(samples) if shuffle else None,
        )

    def sampled_labels(self, samples: Samples) -> Tensor | None:
        """Return the classes int64 (n,) that training batches are balanced by; None where they needn't be."""
        return labels_of(samples, self.class_names) if self.row_sampling is not None else None


def labels_of(samples: Samples, class_names: Sequence[str] | None) -> Tensor:
    """Return the class of every sample, int64 (n,).

    Raises:
        RunnerError: the targets are no classes, or several for each sample.
    """
    targets = samples.targets if class_names else None
    if not isinstance(targets, Tensor) or targets.ndim != 1:
        words = "several classes for each sample. Use task.class_weights=balanced" if class_names else "no classes"
        raise RunnerError(f"data.sampling=balanced draws every class equally often, and these targets are {words}.")
    return targets.to(torch.int64)
