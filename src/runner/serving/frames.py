"""Messages between the server and its workers: a head as JSON, and parts that are bytes; nothing is unpickled."""

import asyncio
import io
import json
import struct
from collections.abc import Sequence
from typing import Any

LENGTH = struct.Struct("<Q")


def written(head: Any, parts: Sequence[bytes] = ()) -> bytes:
    """Return a message: its length, the number of its pieces and their lengths, and the pieces."""
    pieces = [json.dumps(head, separators=(",", ":")).encode(), *parts]
    lengths = struct.pack(f"<I{len(pieces)}Q", len(pieces), *map(len, pieces))
    body = b"".join((lengths, *pieces))
    return LENGTH.pack(len(body)) + body


def parsed(body: bytes) -> tuple[Any, list[bytes]]:
    """Return head and parts of a message without its length."""
    (count,) = struct.unpack_from("<I", body)
    lengths = struct.unpack_from(f"<{count}Q", body, 4)
    place, pieces = 4 + 8 * count, []
    for length in lengths:
        pieces.append(body[place : place + length])
        place += length
    return json.loads(pieces[0]), pieces[1:]


def read(file: io.BufferedIOBase) -> tuple[Any, list[bytes]] | None:
    """Return the next message; None where the other side has gone."""
    length = file.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    body = file.read(*LENGTH.unpack(length))
    return parsed(body) if len(body) == LENGTH.unpack(length)[0] else None


async def receive(stream: asyncio.StreamReader) -> tuple[Any, list[bytes]]:
    """Return the next message; raises EOFError where the other side has gone."""
    (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
    return parsed(await stream.readexactly(length))
