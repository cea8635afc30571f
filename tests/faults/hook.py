"""The fault: a signal at the k-th operation that changes something below a directory, counted by an audit hook."""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Fault:
    """Counts operations, and lets a signal arrive right before one of them.

    Attributes:
        place: the directory below which they count; empty: everything counts that Python tells an auditor (imports,
            files, compilations), in the main thread.
        at: the operation that the signal precedes, counted from 1; 0: none.
        number: the signal.
    """

    place: str
    at: int = 0
    number: int = signal.SIGKILL
    count: int = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if threading.get_ident() == threading.main_thread().ident and self.counts(event, arguments):
            self.count += 1
            if self.count == self.at:
                signal.raise_signal(self.number)

    def counts(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Whether an operation is one of those that count."""
        if not self.place:
            return True
        if event == "open":
            path, _, flags = arguments
            return bool(flags & WRITING) and self.is_below(path)
        return event in CHANGING and self.is_below(arguments[0])

    def is_below(self, path: Any) -> bool:
        """Whether a path, as a call got it, lies below the place."""
        return isinstance(path, (str, os.PathLike)) and str(Path(path).absolute()).startswith(self.place)


def install(place: str, at: int, number: int) -> Fault:
    """The fault, from now on in this process."""
    fault = Fault(place, at, number)
    sys.addaudithook(fault)
    return fault
