"""The lock of a directory that one process at a time works in: a run's, a sweep's. It ends with its process.

The system gives it back, however a process ends; the number of a process says nothing: another one may have it by now.
"""

import errno
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.tracking.links import refuse_links

FILE = ".lock"
# Whoever only asks holds the lock for microseconds, so that a refusal is believed after some tries.
TRIES, SECONDS_BETWEEN = 10, 0.02
# What file systems say that keep no locks.
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
_open: set[int] = set()
_told: set[Path] = set()


def _close_inherited() -> None:
    """A lock belongs to all processes that have its file open: a worker that outlives its run must not keep it."""
    while _open:
        with suppress(OSError):
            os.close(_open.pop())


os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def held(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes from working in a directory that exists.

    Args:
        what: that another process holds, for the refusal: "this run is still going on".

    Raises:
        RunnerError: another one does already, or the directory cannot be written, or holds a link that leads out of it.
    """
    refuse_links(directory, levels=1)
    try:
        with _opened(directory, os.O_RDWR | os.O_CREAT) as descriptor:
            if not _acquired(descriptor, directory):
                raise RunnerError(f"{directory}: {what}{_named(_holder(descriptor))}.")
            _sign(descriptor)
            try:
                yield
            finally:
                _write(descriptor, b"")
    except OSError as error:
        if error.filename != str(directory / FILE):
            raise
        raise RunnerError(f"{directory}: cannot be written ({error.strerror}).") from None


def is_held(directory: Path) -> bool:
    """Return whether a living process works in a directory; on whatever machine, as far as its file system tells."""
    try:
        with _opened(directory, os.O_RDONLY) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return _is_running(_holder(descriptor))
    except OSError:  # no such file: of an older version, or nobody ever worked here
        return False
    return False


@contextmanager
def _opened(directory: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(directory / FILE, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    _open.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _open:  # a forked child closed it, and may have given its number to another file
            _open.discard(descriptor)
            os.close(descriptor)


def _acquired(descriptor: int, directory: Path) -> bool:
    for attempt in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt + 1 < TRIES:
                time.sleep(SECONDS_BETWEEN)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _tell(directory, error)
            return not _is_running(_holder(descriptor))
    return False


def _tell(directory: Path, error: OSError) -> None:
    """Say once where nothing but the user's care keeps two processes apart."""
    if directory not in _told:
        _told.add(directory)
        print(
            f"note: {directory}: its file system keeps no locks ({error.strerror}), so a second process on another "
            "machine would not be refused. Start one at a time.",
            file=sys.stderr,
        )


def _sign(descriptor: int) -> None:
    """Write down who holds the lock: words for a refusal, and all there is where a file system keeps no locks."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "began": _began(os.getpid())}
    _write(descriptor, json.dumps(holder).encode())


def _write(descriptor: int, text: bytes) -> None:
    # Of a file with other names nobody knows what it is there; a forked child closed its own.
    if descriptor in _open and os.fstat(descriptor).st_nlink <= 1:
        with suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _named(holder: dict[str, Any]) -> str:
    return f" (process {holder['pid']} on {holder.get('host')})" if "pid" in holder else ""


def _is_running(holder: dict[str, Any]) -> bool:
    """Return whether the very process that signed is there: the same number begun at the same moment, on this host."""
    here = holder.get("host") == socket.gethostname()
    return here and holder.get("began") is not None and holder["began"] == _began(holder.get("pid"))


def _began(pid: Any) -> int | None:
    """Return when a process began, in ticks since the machine did; None where that cannot be known."""
    try:
        return int(Path(f"/proc/{int(pid)}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, ValueError, TypeError, IndexError):
        return None
