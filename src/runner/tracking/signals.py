"""What ends a run early: Ctrl-C, SIGTERM, and a request of whoever watches it from outside.

After a signal training finishes its batch, everything else stops at once; none is ever swallowed.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

HANDLED = (signal.SIGINT, signal.SIGTERM)
# The file by which whoever watches a run from outside asks its training to end early.
STOP_REQUEST = "stop_request"
# The process that started this one and that it must not outlive.
PARENT = "RUNNER_PARENT"
PR_SET_PDEATHSIG = 1

Step = TypeVar("Step")


class Interrupted(BaseException):
    """The user or the system asked the run to stop.

    Attributes:
        exit_status: what a shell expects after this signal (130 for SIGINT, 143 for SIGTERM).
        run_directory: the run that can be resumed; its record fills it in, in the process that speaks for the run.
        advice: how to go on, where that is not by resuming one run.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_status = 128 + number
        self.run_directory: Path | None = None
        self.advice = ""


class Signals:
    """Signals that have arrived, and whether someone has promised to look.

    Where nobody has, a signal raises Interrupted wherever the program is: a library may swallow that, or make another
    error of it. So the signal is kept: `check` raises it again, and what has failed since then failed because of it.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.promised = False

    def install(self) -> None:
        """Make this object the handler of both signals, where handlers can be installed."""
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED:
                signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Act on a signal: the first waits for `check` where that was promised, a second does not."""
        waits = self.promised and self.received is None
        self.received = number
        if not waits:
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal has arrived; what is kept for a resumed run is kept after this."""
        if self.received is not None:
            raise Interrupted(self.received)

    def between(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield these, and look before each whether a signal has arrived."""
        for step in steps:
            self.check()
            yield step

    @contextmanager
    def not_mistaken(self) -> Iterator[None]:
        """Raise Interrupted in place of an error that this context ends with after a signal has arrived."""
        try:
            yield
        except Exception as error:
            if self.received is not None:
                raise Interrupted(self.received) from error
            raise

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal only leave its number within this context; `check` is called often enough."""
        self.check()
        before, self.promised = self.promised, True
        try:
            yield
        finally:
            self.promised = before
        self.check()


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals arrive at the end of this context, for the moments in which a record is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in HANDLED}
    for number in HANDLED:
        signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in arrived:
            signal.raise_signal(each)


def end_with_parent() -> None:
    """Ask the system for SIGTERM when the sweep that started this process dies; only Linux can promise that."""
    parent = os.environ.pop(PARENT, None)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before we asked
        raise Interrupted(signal.SIGTERM)


@contextmanager
def handled() -> Iterator[Signals]:
    """Install the handlers; a thread other than the main one cannot have any and gets a silent Signals."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in HANDLED}
    signals.install()
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def request_stop(directory: Path, reason: str) -> None:
    """Ask the run in `directory` to train no further; `reason` ends up in its status.json as `stopped`."""
    (directory / STOP_REQUEST).write_text(reason, encoding="utf-8")


def stop_requested(directory: Path) -> str | None:
    """Return the reason for which the run in `directory` is to stop; None while nobody asks."""
    try:
        return (directory / STOP_REQUEST).read_text(encoding="utf-8")
    except OSError:
        return None
