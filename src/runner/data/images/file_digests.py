"""What files hold, as a digest: equal for equal files, wherever they lie and whenever they were written."""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

BYTES = 16
# What tells that a file was not touched since its digest was computed: no program can set the last of them.
STATE = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
# Clocks of file systems tick seldom: a file this young (ns) could be written again without a later time.
YOUNG = 2_000_000_000


def digest(names: Sequence[str], paths: Sequence[Path], *, memory: Path | None = None, salt: str = "") -> str:
    """Return thirty-two hexadecimal digits over the names and contents of files, and over `salt`.

    Where the files lie changes nothing. Reads every file once; with `memory`, a directory, only those that were touched
    since. A file that can't be read counts as an empty one.
    """
    known = _Known(memory, names)
    whole = hashlib.blake2b(salt.encode(), digest_size=BYTES)
    with ThreadPoolExecutor() as pool:
        for name, content in zip(names, pool.map(known.digest, paths), strict=True):
            whole.update(hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=BYTES).digest() + content)
    known.save()
    return whole.hexdigest()


class _Known:
    """The digests of files as they were computed before, kept in a file of its own for each list of names."""

    def __init__(self, memory: Path | None, names: Sequence[str]) -> None:
        key = hashlib.blake2b("\0".join(names).encode(errors="surrogateescape"), digest_size=BYTES).hexdigest()
        self.file = None if memory is None else memory / f"{key}.digests.npz"
        self.states: dict[bytes, bytes] = self._load()
        self.found: dict[bytes, bytes] = {}

    def digest(self, path: Path) -> bytes:
        """Return the digest of a file's content, computed where the file was touched."""
        try:
            state = path.stat()
            numbers = np.array([getattr(state, each) for each in STATE], dtype=np.int64).tobytes()
            content = self.states.get(numbers) or _content(path)
        except OSError:
            return bytes(BYTES)
        if time.time_ns() - state.st_ctime_ns > YOUNG:
            self.found[numbers] = content
        return content

    def save(self) -> None:
        """Keep what was found for the next time, where a file is to be kept and something is new."""
        if self.file is None or self.found.keys() <= self.states.keys():
            return
        states = np.frombuffer(b"".join(self.found), dtype=np.int64).reshape(-1, len(STATE))
        digests = np.frombuffer(b"".join(self.found.values()), dtype=np.uint8).reshape(-1, BYTES)
        beside = self.file.with_name(f".{self.file.stem}.{id(self)}.npz")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(beside, states=states, digests=digests)
            beside.replace(self.file)
        except OSError:  # a place that cannot be written to costs time at the next start, nothing else
            beside.unlink(missing_ok=True)

    def _load(self) -> dict[bytes, bytes]:
        if self.file is None or not self.file.is_file():
            return {}
        try:
            with np.load(self.file, allow_pickle=False) as kept:
                states, digests = kept["states"], kept["digests"]
            return {state.tobytes(): each.tobytes() for state, each in zip(states, digests, strict=True)}
        except Exception:  # a damaged memory is no memory
            return {}


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=BYTES)).digest()
