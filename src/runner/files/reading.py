"""Read what a stranger may have written: bounds on bytes, nodes and depth hold before memory is taken.

A refusal is a ValueError in words that continue "FILE: ".
"""

import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import Any, Protocol

MEGABYTE = 2**20
# Of a record: a run's status and result have a few thousand values.
BYTES, NODES, DEPTH = 16 * MEGABYTE, 500_000, 60
# A list of many thousand jobs with the settings of each.
SWEEP_BYTES, SWEEP_NODES = 2048 * MEGABYTE, 50_000_000
# Text of this many characters counts as one more node of YAML, for an alias repeats it.
TEXT = 200
# A number longer than this takes long to read, and is none that anybody means.
DIGITS = 1000
LONG_NUMBER = re.compile(r"[-+0-9:_.]*")
MEMBERS = 100_000


class Readable(Protocol):
    """An opened file."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""


class TooLargeError(ValueError):
    """Say of a file that reading it would take more memory than any file of its kind has a reason to."""


def read_bytes(path: Path, most: int = BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: there is none, or it can't be read.
        ValueError: it is no regular file (a pipe would wait for ever, a device never end), or has more than `most`
            bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(21, "is a directory", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > most:
            raise TooLargeError(f"it has {found.st_size:,} bytes, and at most {most:,} are read")
        return file.read(most + 1)[:most]


def parse_json(content: bytes | str, nodes: int = NODES, depth: int = DEPTH) -> Any:
    """Return what JSON says; whole numbers of more than 20 digits become floats.

    Raises:
        ValueError: it is none, holds more than `nodes` values, or is nested deeper than `depth`.
    """
    data = content.encode() if isinstance(content, str) else content
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > nodes:
        raise TooLargeError(f"it holds more than {nodes:,} values")
    try:
        value = json.loads(data, parse_int=whole_number)
    except RecursionError:
        raise TooLargeError(f"it is nested deeper than {depth} levels") from None
    refuse_deep(value, depth)
    return value


def whole_number(digits: str) -> int | float:
    """Return a number; as a float where it is longer than a computer's."""
    return int(digits) if len(digits) <= 20 else float(digits)


def refuse_deep(value: Any, depth: int) -> None:
    """Raise ValueError where containers are nested deeper than `depth`."""
    level = [value]
    for _ in range(depth):
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one) if is_nested(each)]
        if not level:
            return
        if len(level) == 1 and not is_nested(level[0]):
            return
    raise TooLargeError(f"it is nested deeper than {depth} levels")


def is_nested(value: Any) -> bool:
    """Return whether a value is a container of JSON."""
    return isinstance(value, (dict, list))


def check_yaml(content: bytes | str, nodes: int = NODES, depth: int = DEPTH) -> None:
    """Look at YAML before it is read, each alias counted as all that it repeats; nothing is built.

    Raises:
        ValueError: it would hold more than `nodes` values, is nested deeper than `depth`, holds what refers to
            itself, or an endless number.
        yaml.YAMLError: it is no YAML.
    """
    import yaml  # what only reads JSON, as a server does, has no use for it

    whole: dict[str, int] = {}  # anchors whose content is complete
    open_: list[tuple[str | None, int]] = []  # containers around: their anchors, and how much had been counted
    count = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            if anchor not in whole:
                raise ValueError(f"*{anchor} refers to itself, or to nothing")
            count += whole[anchor]
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > DIGITS and event.implicit[0] and LONG_NUMBER.fullmatch(event.value):
                raise TooLargeError(f"it holds a number of {len(event.value):,} digits")
            size = 1 + len(event.value) // TEXT
            count += size
            if anchor:
                whole[anchor] = size
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((anchor, count))
            count += 1
            whole.pop(anchor or "", None)
        elif isinstance(event, yaml.CollectionEndEvent):
            name, before = open_.pop()
            if name:
                whole[name] = count - before
        if len(open_) > depth:
            raise TooLargeError(f"it is nested deeper than {depth} levels")
        if count > nodes:
            raise TooLargeError(f"it holds more than {nodes:,} values once its anchors are put in")


def unpack(file: Readable, packed: int, ratio: float = 100, spare: int = 64 * MEGABYTE) -> bytes:
    """Return all that an opened compressed file holds.

    Args:
        packed: the bytes that it takes compressed.
        ratio: so many times these it may hold, and `spare` bytes more.

    Raises:
        ValueError: it holds more.
    """
    most = int(packed * ratio) + spare
    content = file.read(most + 1)
    if len(content) > most:
        raise TooLargeError(
            f"its {packed:,} bytes would unpack to more than {most:,}; unpack it, and name what is in it"
        )
    return content


def check_zip(archive: zipfile.ZipFile, ratio: float, spare: int = 64 * MEGABYTE) -> None:
    """Refuse an archive that would unpack to far more than it is, by what it says of its members.

    Members that overlap are refused by this as well. Nothing is unpacked.

    Args:
        ratio: so many times the bytes of the file its members may have, and `spare` bytes more.

    Raises:
        ValueError: they have more, or there are too many.
    """
    members = archive.infolist()
    total = sum(each.file_size for each in members)
    packed = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if len(members) > MEMBERS:
        raise TooLargeError(f"it holds {len(members):,} members, and at most {MEMBERS:,} are read")
    if total > packed * ratio + spare:
        raise TooLargeError(f"its {packed:,} bytes would unpack to {total:,}")
