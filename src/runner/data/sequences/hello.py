"""Hello: one word in, one word out, the first lesson on recurrent networks."""

from typing import Any, ClassVar

import torch

from runner.data.module import Samples, Source
from runner.data.sequences.alphabet import encode
from runner.data.sequences.sequence import SequenceDataModule

WORD, ANSWER = "hello", "ohlol"


class Hello(SequenceDataModule):
    """The word "hello" and the letters to predict, "ohlol": inputs uint8 (1, 5), targets int64 (1, 5).

    The letters e, h, l, o are tokens 1 to 4 and classes 0 to 3. Train, validation and test split are the SAME word.
    """

    alphabet: ClassVar[str | None] = "ehlo"

    def __init__(self, *, max_length: int = len(WORD), **sequence: Any) -> None:
        super().__init__(max_length=max_length, **sequence)

    def load(self) -> Source:
        """Make the word; nothing is read."""
        words = encode([WORD, ANSWER], ["data=hello"] * 2, self.max_length, self.alphabet)
        return Source(inputs=words[:1], targets=words[1:].long() - 1, class_names=tuple(self.alphabet or ""))

    def divide(self, source: Source) -> dict[str, Samples]:
        """Return the word in all splits."""
        word = Samples(source.inputs, source.targets, torch.arange(1))
        return {"train": word, "val": word, "test": word}
