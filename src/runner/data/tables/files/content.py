"""The text of a table's file as UTF-8 bytes: decompressed, decoded, and told where an encoding was guessed."""

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.files.reading import MEGABYTE, TooLargeError, unpack

# What files begin with, the longest marks first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DAMAGED = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    TooLargeError,
)
# Beginnings of files that people take for tables, and what these are.
FOREIGN = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"<table", "a web page"),
    (b"<?xml", "XML"),
    (b'{"', "JSON"),
    (b"[{", "JSON"),
)
GUESS = 4096
# No row of a table is longer than this many bytes.
LINE = 16 * MEGABYTE


def read_content(path: Path, encoding: str | None = None) -> tuple[bytes, list[str]]:
    """Return a file's text in UTF-8, without byte order mark, and notes about what was guessed.

    `.gz`, `.bz2`, `.xz` and `.zip` are opened. Where `encoding` is null it is UTF-8 or what a byte order mark says,
    and cp1252 (latin-1 where that has no such byte) for what is not UTF-8.

    Raises:
        RunnerError: the file is damaged, no text, or not in this encoding.
    """
    try:
        content = decompressed(path)
    except DAMAGED as error:
        raise RunnerError(f"{path} can't be read ({error}). Copy or compress the file again.") from error
    for begin, what in FOREIGN:
        if content.startswith(begin):
            raise RunnerError(f"{path} can't be read as a table: it is {what}. Save it as CSV in UTF-8.")
    if content.startswith(b"PK\x03\x04"):
        raise RunnerError(f"{path} can't be read as a table: it is an Excel workbook or an archive. Save it as CSV.")
    text, notes = in_utf8(path, content, encoding)
    if b"\0" in text:
        raise RunnerError(
            f"{path} can't be read as a table: byte {text.index(0):,} is NUL, which no text holds. "
            "Save it as CSV in UTF-8, or name its encoding: data.encoding=utf-16."
        )
    return text, notes


def decompressed(path: Path) -> bytes:
    """Return the bytes inside of a file; raises RunnerError for an archive of several files."""
    openers: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    suffix, packed = path.suffix.lower(), path.stat().st_size
    if suffix in openers:
        with openers[suffix](path) as file:
            return unpack(file, packed)
    if suffix != ".zip":
        return plain(path)
    with zipfile.ZipFile(path) as archive:
        hidden = ("__MACOSX/", ".")
        members = [each for each in archive.namelist() if not each.endswith("/") and not each.startswith(hidden)]
        if len(members) != 1:
            raise RunnerError(
                f"{path} holds {len(members)} files ({', '.join(members[:5])}), and a table is one. "
                "Take it out of the archive."
            )
        with archive.open(members[0]) as file:
            return unpack(file, packed)


def plain(path: Path) -> bytes:
    """Return the bytes of a file; raises RunnerError, before memory is taken, where a line of it does not end."""
    with path.open("rb") as file:
        if path.stat().st_size > LINE:
            with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
                refuse_endless_lines(path, mapped)
        return file.read()


def refuse_endless_lines(path: Path, content: mmap | bytes) -> None:
    """Raise RunnerError where a line has more than `LINE` bytes."""
    start = 0
    while len(content) - start > LINE:
        end = content.rfind(b"\n", start, start + LINE)
        if end < 0 and (end := content.rfind(b"\r", start, start + LINE)) < 0:
            raise RunnerError(
                f"{path} can't be read as a table: a line of it, from byte {start:,} on, has more than {LINE:,} bytes. "
                "Save it as CSV with one row a line."
            )
        start = end + 1


def in_utf8(path: Path, content: bytes, encoding: str | None) -> tuple[bytes, list[str]]:
    """Return text in UTF-8 and notes; see `read_content`."""
    if encoding is not None:
        return encoded(path, content, encoding), []
    for mark, name in MARKS:
        if content.startswith(mark):
            rest = content[len(mark) :]
            return (rest if name == "utf-8" else encoded(path, rest, name)), []
    if content.isascii() and b"\0" not in content[:GUESS]:
        return content, []
    if unmarked := unmarked_utf16(content[:GUESS]):
        return encoded(path, content, unmarked), [f"{path} is read as {unmarked}; data.encoding says otherwise."]
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in content[:GUESS]:
            return content, []
        line = content.count(b"\n", 0, error.start) + 1
        name = "cp1252"
        try:
            content.decode(name)
        except UnicodeDecodeError:
            name = "latin-1"
        note = f"{path} is not UTF-8 (line {line}), so it is read as {name}; data.encoding says otherwise."
        return encoded(path, content, name), [note]
    return content, []


def unmarked_utf16(head: bytes) -> str | None:
    """Return the kind of UTF-16 in which a file without a mark seems to be: every other byte of its text is NUL."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and odd > 0.7 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if half and even > 0.7 * half and not odd else None


def encoded(path: Path, content: bytes, encoding: str) -> bytes:
    """Return text of another encoding in UTF-8; raises RunnerError where it isn't text of that encoding."""
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError as error:
        raise RunnerError(
            f"data.encoding={encoding}: there is no such encoding. Use utf-8, utf-16, cp1252, latin-1 or another "
            "that Python knows."
        ) from error
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise RunnerError(
            f"{path} can't be read as a table: it is not {encoding} ({error}). Name its encoding: "
            "data.encoding=cp1252, or save it as CSV in UTF-8."
        ) from error
