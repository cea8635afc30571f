"""SequenceDataModule: tokens padded on the right; batches of neighbours in length, cut where the longest ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from runner.data.batches import BatchLoader
from runner.data.module import DataModule
from runner.data.sequences.alphabet import PADDING, decode, encode
from runner.data.sequences.buckets import BucketLoader
from runner.data.tables.delimited import read_table
from runner.errors import RunnerError

TEXT = "name"


class SequenceDataModule(DataModule):
    """Raw inputs are uint8 (N, max_length); the network gets int64 (N, T), T the longest of the batch.

    0 is padding and stands on the right alone, so a batch tells its lengths itself. Targets are int64 (N,) for a
    class a sequence, int64 (N, max_length) for a class a token.

    Args:
        max_length: characters of the longest sequence.
        num_tokens: rows of an embedding; token t has row t mod num_tokens.
        bucket_batches: see `BucketLoader.pool`.
    """

    kind: ClassVar[str] = "sequence"
    alphabet: ClassVar[str | None] = None

    def __init__(
        self, *, max_length: int, num_tokens: int, num_classes: int, bucket_batches: int = 16, **splitting: Any
    ) -> None:
        super().__init__(**splitting)
        self.max_length, self.num_tokens, self.num_classes = max_length, num_tokens, num_classes
        self.bucket_batches = bucket_batches
        self.trim = True

    def setup(self, stage: str | None = None) -> None:
        """Set up as in DataModule; then check that the classes are as many as the configuration declares."""
        super().setup(stage)
        found = len(self.class_names or ())
        if found != self.num_classes:
            raise RunnerError(
                f"data.num_classes is {self.num_classes}, but the data has {found} classes. "
                f"Set data.num_classes={found}."
            )

    def fix_shape(self) -> None:
        """Make every batch (N, max_length) from now on."""
        self.trim = False

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert uint8 (N, max_length) to int64 (N, T)."""
        longest = int((inputs != PADDING).any(0).sum()) if self.trim and len(inputs) else self.max_length
        return inputs[:, :longest].to(torch.int64)

    def read(self, paths: list[Path]) -> Tensor:
        """Read the user's texts as uint8 (n, max_length): a line each, or the column `name` of a CSV file."""
        texts, places = zip(*(line for path in paths for line in read_texts(path)), strict=True)
        return encode(texts, places, self.max_length, self.alphabet)

    def intake(self) -> dict[str, Any] | None:
        """See DataModule.intake."""
        own = SequenceDataModule
        if (type(self).read, type(self).transform) != (own.read, own.transform):
            return None
        return {"kind": "text", "width": self.max_length, "alphabet": self.alphabet}

    def names_of(self, path: Path, inputs: Tensor) -> list[str]:
        """Return the texts themselves."""
        return [decode(tokens, self.alphabet) for tokens in inputs]

    def _loader(self, split: str, *, shuffle: bool = False) -> BatchLoader:
        samples, trainer = self.splits[split], self.trainer
        assert isinstance(samples.rows, Tensor)
        return BucketLoader(
            samples.rows,
            samples.row_targets,
            samples.indices,
            lengths=(samples.rows != PADDING).sum(1),
            pool=self.bucket_batches,
            batch_size=self.batch_size,
            shuffle=shuffle,
            seed=self.shuffle_seed,
            rank=trainer.global_rank if trainer is not None else 0,
            world_size=trainer.world_size if trainer is not None else 1,
            labels=self.sampled_labels(samples) if shuffle else None,
        )


def read_texts(path: Path) -> Sequence[tuple[str, str]]:
    """Return texts and where each stands: the column `name` of a .csv file, else every line.

    Raises:
        RunnerError: the file has no such column, no line, or is no text.
    """
    if path.suffix == ".csv":
        table = read_table(path, text=[TEXT])
        return [(text, f"{path}, line {line}") for text, line in zip(table.column(TEXT), table.lines, strict=True)]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunnerError(f"{path} can't be read as text ({error}). Save it in UTF-8, a name a line.") from error
    if not lines:
        raise RunnerError(f"{path} is empty. Write one name a line.")
    return [(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
