"""Stale sets of decoded images: those of a folder that holds others by now go, unless a run still reads them."""

import fcntl
import json
import shutil
from pathlib import Path
from typing import BinaryIO

from runner.files import write_json

ORIGIN, HELD = "set.json", "held"
# What this process reads, open until it ends.
_holds: dict[Path, BinaryIO] = {}


def keep_only(place: Path, root: Path, appearance: object) -> int:
    """Take a set into use as that of a folder, and remove those that it replaces; return how many bytes they had."""
    hold(place)
    try:
        if not (place / ORIGIN).exists():
            describe(place, root, appearance)
        return drop_stale(place)
    except OSError:  # a place that can only be read
        return 0


def describe(place: Path, root: Path, appearance: object) -> None:
    """Note in a set which folder its pictures came from, and how they were decoded."""
    write_json(place / ORIGIN, {"root": str(root.resolve()), "appearance": str(appearance)})


def hold(place: Path) -> None:
    """Keep a set from being dropped by other processes while this one lives."""
    if place in _holds:
        return
    try:
        file = (place / HELD).open("ab")
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # a place that can only be read, or a file system without locks: nothing is dropped there either
        return
    _holds[place] = file


def drop_stale(place: Path) -> int:
    """Remove the sets beside `place` that are of the same folder, decoded alike, and that no process reads.

    Returns:
        how many bytes they had.
    """
    mine = _origin(place)
    others = [each for each in place.parent.iterdir() if each != place and mine is not None and _origin(each) == mine]
    return sum(map(_drop, others))


def size_of(directory: Path) -> int:
    """Return the bytes of the files in a directory and in those in it."""
    return sum(each.stat().st_size for each in directory.rglob("*") if each.is_file())


def _origin(place: Path) -> object:
    try:
        return json.loads((place / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a set of an earlier version, or no set
        return None


def _drop(place: Path) -> int:
    if place in _holds:
        return 0
    size = size_of(place)
    try:
        with (place / HELD).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place)
    except OSError:
        return 0
    place.with_name(f"{place.name}.lock").unlink(missing_ok=True)
    return size
