"""Readers of every kind of input that is told in plain values; see `DataModule.intake`."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from runner.errors import RunnerError
from runner.serving.limits import Limits
from runner.serving.pictures import PictureReader
from runner.serving.reader import Array, Reader, Taken, Upload


class TextReader(Reader):
    """Texts: a line each in files, or a list in JSON; `plain` is what `SequenceDataModule.intake` says."""

    form: ClassVar = '{"texts": ["first", "second"]}'
    accept: ClassVar = "text/plain,.txt"

    def __init__(self, plain: dict[str, Any], limits: Limits) -> None:
        self.width, self.alphabet = plain["width"], plain["alphabet"]

    def transformed(self, raw: Array) -> Array:
        """See Reader.transformed."""
        return raw.astype(np.int64)

    def files(self, files: Sequence[Upload]) -> Taken:
        """See Reader.files."""
        lines = [(line, f"{each.name}, line {row}") for each in files for row, line in enumerate(lines_of(each), 1)]
        return self._taken([line for line, _ in lines], [place for _, place in lines])

    def value(self, value: Any) -> Taken:
        """See Reader.value."""
        texts = value.get("texts", value.get("text")) if isinstance(value, dict) else None
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
            raise RunnerError(f"Expected {self.form}.")
        return self._taken(texts, [f"texts[{place}]" for place in range(len(texts))])

    def _taken(self, texts: list[str], places: list[str]) -> Taken:
        from runner.data.sequences.alphabet import decode, encode_bytes

        codes = encode_bytes(texts, places, self.width, self.alphabet)
        tokens = np.frombuffer(codes, dtype=np.uint8).reshape(len(texts), self.width).astype(np.int64)
        return Taken([tokens], [decode(row, self.alphabet) for row in tokens.tolist()])


READERS: dict[str, Callable[[dict[str, Any], Limits], Reader]] = {
    "image": PictureReader,
    "text": TextReader,
}


def reader_from(plain: dict[str, Any], limits: Limits) -> Reader:
    """Return what reads as plain values say; raises RunnerError where they are of another version."""
    try:
        return READERS[plain["kind"]](plain, limits)
    except (KeyError, TypeError, ValueError) as error:
        raise RunnerError(f"What is said of the inputs is of another version, or damaged ({error}).") from None


def lines_of(file: Upload) -> list[str]:
    """Return the lines of a text; raises RunnerError where it is none, or empty."""
    try:
        lines = file.content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RunnerError(f"{file.name} can't be read as text in UTF-8 ({error}).") from None
    if not lines:
        raise RunnerError(f"{file.name} is empty. Write one text a line.")
    return lines
