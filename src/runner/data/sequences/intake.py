"""TextIntake: texts as a network takes them, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from runner.data.sequences.alphabet import decode, encode_bytes


@dataclass(frozen=True)
class TextIntake:
    """What becomes of a text, as plain values; the same as `SequenceDataModule` of a fixed shape.

    Attributes:
        width: characters of the longest text.
        alphabet: the characters that are tokens 1, 2, …; None for ASCII.
    """

    kind: ClassVar[str] = "text"
    width: int
    alphabet: str | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"kind": self.kind, "width": self.width, "alphabet": self.alphabet}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "TextIntake":
        """Return what `as_plain` gave."""
        return cls(plain["width"], plain["alphabet"])

    def tokens(self, texts: Sequence[str], places: Sequence[str]) -> "np.ndarray[Any, Any]":
        """Return texts as int64 (n, width); raises RunnerError naming the place of one that can't be read."""
        codes = encode_bytes(texts, places, self.width, self.alphabet)
        return np.frombuffer(codes, dtype=np.uint8).reshape(len(texts), self.width).astype(np.int64)

    def names(self, tokens: "np.ndarray[Any, Any]") -> list[str]:
        """Return the texts themselves, as the network saw them."""
        return [decode(row, self.alphabet) for row in tokens.tolist()]
