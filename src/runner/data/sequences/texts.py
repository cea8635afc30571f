"""Texts: the user's own texts, one of several classes each."""

from typing import Any

import torch

from runner.data.module import Source
from runner.data.sequences.alphabet import encode
from runner.data.sequences.labelled import labelled_texts, remarks
from runner.data.sequences.sequence import SequenceDataModule


class Texts(SequenceDataModule):
    """Texts as ASCII codes, see `SequenceDataModule`, and their classes in alphabetical order, int64 (N,).

    Args:
        root, text, label: see `labelled_texts`.
    """

    def __init__(self, *, root: str, text: str | None = None, label: str | None = None, **sequence: Any) -> None:
        super().__init__(**sequence)
        self.root, self.text, self.label = root, text, label

    def load(self) -> Source:
        """Read all texts; splits are stratified by class.

        Raises:
            RunnerError: there are none, or one is longer than `max_length` or has other characters than ASCII's.
        """
        texts, labels, places = zip(*labelled_texts(self.root, self.text, self.label), strict=True)
        names = sorted(set(labels))
        self.remarks = remarks(names)
        position = {name: index for index, name in enumerate(names)}
        return Source(
            inputs=encode(texts, places, self.max_length),
            targets=torch.tensor([position[label] for label in labels]),
            class_names=tuple(names),
        )
