"""The content of files and folders as one short word, whatever they are called and wherever they lie."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runner.errors import RunnerError

# Up to so many bytes and files everything is read. Of larger sets the names and sizes of all files count, and of
# every file (of every k-th where there are more) as much of its beginning, middle and end as there is room for.
MOST_BYTES = 1 << 30
MOST_FILES = 100_000
LEAST = 3 * 4096
CHUNK = 1 << 20
THREADS, PART = 4, 256
# Files that systems leave in folders, which say nothing.
STRANGERS = {"thumbs.db", "desktop.ini", "__macosx", "__pycache__"}
# A file that changed less long ago may change again within one tick of its clock.
SETTLED_SECONDS = 2.0
# A file as it was when it was read: path, bytes, time of its last change in ns, number on its disk, bytes read of it.
State = tuple[str, int, int, int, int]
_digests: dict[State, bytes] = {}


def content_of(*places: str | Path) -> str | None:
    """Return sixteen hexadecimal digits over what lies at `places`, files or folders; None where one isn't there.

    Of a folder the names below it count, not its own; of a file its bytes alone. Neither do times, owners, or files
    whose names begin with a dot. Files that did not change since this process last looked are not read again.
    """
    whole = hashlib.blake2b(digest_size=8)
    for place in [os.fspath(each) for each in places]:
        if not os.path.exists(place):  # noqa: PTH110 - a Path for each of 100,000 files takes longer than reading them
            return None
        files = sorted(files_below(place)) if Path(place).is_dir() else [("", place, os.stat(place))]  # noqa: PTH116
        room, step = allotment([stat.st_size for _, _, stat in files])
        for name, _, stat in files:
            whole.update(f"{name}\0{stat.st_size}\n".encode(errors="surrogateescape"))
        for digest in digests([(path, stat) for _, path, stat in files[::step]], room):
            whole.update(digest)
    return whole.hexdigest()


def allotment(sizes: list[int]) -> tuple[int, int]:
    """Return how many bytes of a file are read (-1: all), and every which file is, for files of these sizes."""
    step = max(1, -(-len(sizes) // MOST_FILES))
    if step == 1 and sum(sizes) <= MOST_BYTES:
        return -1, 1
    return max(LEAST, MOST_BYTES // (-(-len(sizes) // step))), step


def files_below(
    folder: str, start: str = "", seen: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield every file below a folder: its name from there, its path, its state. Links are followed, circles are not.

    Raises:
        RunnerError: a folder that this user may not read.
    """
    here = os.stat(folder)  # noqa: PTH116
    if (here.st_dev, here.st_ino) in seen:
        return
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise RunnerError(f"{folder}: cannot be read ({error.strerror}).") from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in STRANGERS:
            continue
        if entry.is_dir():
            yield from files_below(entry.path, f"{start}{entry.name}/", seen | {(here.st_dev, here.st_ino)})
        elif entry.is_file():  # a link that leads nowhere is neither
            yield f"{start}{entry.name}", entry.path, entry.stat()


def digests(files: Sequence[tuple[str, os.stat_result]], room: int) -> Iterator[bytes]:
    """Yield the digest of each file in turn; what has to be read is read side by side."""
    states = [(path, stat.st_size, stat.st_mtime_ns, stat.st_ino, room) for path, stat in files]
    new = [state for state in states if state not in _digests]
    with ThreadPoolExecutor(THREADS) as pool:
        parts = [new[start : start + PART] for start in range(0, len(new), PART)]
        read = dict(zip(new, (each for part in pool.map(digests_of, parts) for each in part), strict=True))
    settled = (time.time() - SETTLED_SECONDS) * 1e9
    _digests.update({state: each for state, each in read.items() if state[2] < settled})
    for state in states:
        yield read[state] if state in read else _digests[state]


def digests_of(states: Sequence[State]) -> list[bytes]:
    """Return the digests of some files.

    Raises:
        RunnerError: a file that this user may not read.
    """
    try:
        return [digest_of(path, size, room) for path, size, _, _, room in states]
    except OSError as error:
        raise RunnerError(f"{error.filename}: cannot be read ({error.strerror}).") from None


def digest_of(path: str, size: int, room: int) -> bytes:
    """Return the digest of a file, of all of it or of `room` bytes of its beginning, middle and end."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        if room < 0 or size <= room:
            while piece := file.read(CHUNK):
                digest.update(piece)
        else:
            part = room // 3
            for start in (0, (size - part) // 2, size - part):
                file.seek(start)
                digest.update(file.read(part))
    return digest.digest()
