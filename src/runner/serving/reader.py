"""Reader: what clients send (files, or values in JSON) as the arrays that a network takes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

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


class Forms:
    """What a client may send.

    Attributes:
        form: shows JSON that is taken.
        accept: the files that a page offers to send, and `columns`, the fields.
    """

    form: ClassVar[str]
    accept: ClassVar[str]
    columns: Sequence[dict[str, Any]] = ()


class Reader(Forms, ABC):
    """What becomes of a request's content."""

    @abstractmethod
    def transformed(self, raw: Array) -> Array:
        """Return raw inputs (n, …), as data modules read them, as what the network takes."""

    @abstractmethod
    def files(self, files: Sequence[Upload]) -> Taken:
        """Return the inputs in files; raises RunnerError naming a bad one."""

    @abstractmethod
    def value(self, value: Any) -> Taken:
        """Return the inputs in a value of JSON; raises RunnerError saying what was expected."""
