"""Readers: what clients send (files, or values in JSON) as the arrays that a network takes, without torch."""

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from runner.data.images.intake import ImageIntake
from runner.data.sequences.intake import TextIntake
from runner.errors import RunnerError
from runner.serving.limits import Limits

Array = np.ndarray[Any, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Upload:
    """One file of a request: its name, the media type that the client gave, and its content."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True)
class Taken:
    """The inputs of a request.

    Attributes:
        arrays: (n, …), in the order of the network's inputs.
        names: of each sample.
        as_given: the rows that answer sample i, in terms of what was sent.
    """

    arrays: list[Array]
    names: list[str]
    as_given: Callable[[int, Rows], Rows] = lambda _, rows: rows


class Reader(ABC):
    """What becomes of a request's content.

    Attributes:
        form: shows JSON that it takes.
        accept: the files that a page offers to send, and `columns`, the fields.
    """

    form: ClassVar[str]
    accept: ClassVar[str]
    columns: Sequence[dict[str, Any]] = ()

    @abstractmethod
    def transformed(self, raw: Array) -> Array:
        """Return raw inputs (n, …), as data modules read them, as what the network takes."""

    @abstractmethod
    def files(self, files: Sequence[Upload]) -> Taken:
        """Return the inputs in files; raises RunnerError naming a bad one."""

    @abstractmethod
    def value(self, value: Any) -> Taken:
        """Return the inputs in a value of JSON; raises RunnerError saying what was expected."""


class PictureReader(Reader):
    """Pictures as files, as base64 in JSON, or as numbers from 0 to 255."""

    form: ClassVar = '{"pixels": [[0, 128, …], …]} or {"images": ["base64 of a file", …]}'
    accept: ClassVar = "image/*"

    def __init__(self, plain: dict[str, Any], limits: Limits) -> None:
        self.intake, self.limits = ImageIntake.from_plain(plain), limits

    def transformed(self, raw: Array) -> Array:
        """See Reader.transformed."""
        return self.intake.transform(raw)

    def files(self, files: Sequence[Upload]) -> Taken:
        """See Reader.files."""
        read = [self.intake.read(each.name, each.content, self.limits.formats, self.limits.pixels) for each in files]
        given = lambda index, rows: self.intake.as_given(files[index].content, rows)  # noqa: E731
        return Taken([self.intake.transform(np.stack(read))], [each.name for each in files], given)

    def value(self, value: Any) -> Taken:
        """See Reader.value."""
        if isinstance(value, dict) and isinstance(images := value.get("images"), list):
            return self.files(
                [Upload(f"images[{place}]", "", decoded(each, place)) for place, each in enumerate(images)]
            )
        if not isinstance(value, dict) or "pixels" not in value:
            raise RunnerError(f"Expected {self.form}.")
        pixels = self.intake.pixels("pixels", value["pixels"])
        names = [f"pixels[{place}]" for place in range(len(pixels))]
        return Taken([self.intake.transform(pixels)], names)


class TextReader(Reader):
    """Texts: a line each in files, or a list in JSON."""

    form: ClassVar = '{"texts": ["first", "second"]}'
    accept: ClassVar = "text/plain,.txt"

    def __init__(self, plain: dict[str, Any], limits: Limits) -> None:
        self.intake = TextIntake.from_plain(plain)

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
        tokens = self.intake.tokens(texts, places)
        return Taken([tokens], self.intake.names(tokens))


READERS: dict[str, Callable[[dict[str, Any], Limits], Reader]] = {
    ImageIntake.kind: PictureReader,
    TextIntake.kind: TextReader,
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


def decoded(text: Any, place: int) -> bytes:
    """Return the bytes that base64 stands for."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise RunnerError(f"images[{place}]: not base64.") from None
