"""Standard output and error that break off nothing: where nobody can be told, the work goes on."""

import os
import sys
from collections.abc import Callable
from typing import Any

from runner.errors import NO_ROOM


class Stream:
    """A text stream that, once it can't be written to, leads to nowhere; all else is that stream's.

    Attributes:
        trouble: what the system said when it failed.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.trouble: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, and return how many characters it has."""
        self.attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        self.attempt(self.stream.flush)

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something with the stream; where it fails, its descriptor is nowhere's from then on, also for children."""
        try:
            act()
        except OSError as error:
            self.trouble = self.trouble or error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def with_streams(work: Callable[[], int]) -> int:
    """Return the exit status of `work`, or 1 where it is 0 and what it printed is lost.

    A reader that has read enough (`| head`) loses nothing.
    """
    # Absent where a process has none.
    streams = {name: Stream(found) for name in ("stdout", "stderr") if (found := getattr(sys, name)) is not None}
    for name, stream in streams.items():
        setattr(sys, name, stream)
    try:
        status = work()
    except SystemExit as ended:  # as argparse ends behind its help
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        for stream in streams.values():
            stream.flush()
    lost = {name: each.trouble for name, each in streams.items() if not isinstance(each.trouble, BrokenPipeError)}
    for name, trouble in lost.items():
        if trouble is not None:
            why = NO_ROOM.get(trouble.errno or 0, f"{trouble.strerror}. Lead it elsewhere")
            print(f"error: what was printed is lost in part ({name}): {why}. What was done is done.", file=sys.stderr)
            status = status or 1
    return status
