"""Ctrl-C and SIGTERM: training finishes its batch, everything else stops at once."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

HANDLED = (signal.SIGINT, signal.SIGTERM)
# The process that started this one and that it must not outlive.
PARENT = "RUNNER_PARENT"
PR_SET_PDEATHSIG = 1


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
    """Signals that have arrived, and whether someone has promised to look."""

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
        if self.promised and self.received is None:
            self.received = number
        else:
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal has arrived."""
        if self.received is not None:
            raise Interrupted(self.received)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal only leave its number within this context; `check` is called often enough."""
        self.promised = True
        try:
            yield
        finally:
            self.promised = False
        self.check()


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
