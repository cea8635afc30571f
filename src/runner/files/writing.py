"""Write files beside and rename them, so that nobody ever reads half of one."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from runner.files.text import UNSEEN, cell


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step."""
    write_with(path, lambda file: file.write(content))


def write_with(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = False) -> None:
    """Replace `path` in one step by what `write` puts into a file beside it, which is gone where that fails.

    Args:
        durable: return once the disk holds it, so that not even a loss of power leaves half of it under this name.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(new_file(beside), "wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        # torch.save hides that a disk is full behind an error of its own.
        if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    if durable:
        flush_directory(path.parent)


def overwrite_json(path: Path, value: Any) -> None:
    """Put `value` into a small file that is there, where a full disk has no room for one beside it.

    In one call, which a kill does not divide; blanks fill up what the file had more.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        content = json_text(value).encode(errors="backslashreplace")
        os.pwrite(descriptor, content.ljust(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)


def new_file(path: Path) -> int:
    """Return the descriptor of a new file to write; whatever has its name, a link included, is removed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:  # left by a killed process of the same number
        path.unlink()
        return os.open(path, flags, 0o666)


def remove_unfinished(directory: Path) -> None:
    """Remove what `write_with` was writing in or below a directory when it was killed; nobody may write there now."""
    for path in directory.rglob(".*.partial"):
        if path.is_file():
            path.unlink(missing_ok=True)


def flush_directory(path: Path) -> None:
    """Wait until the disk holds a directory's entries; file systems that cannot say so are taken at their word."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON in one step; NaN and infinities become null."""
    write_text(path, json_text(value))


def json_text(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return `value` as indented JSON, in which what would steer a terminal is written as numbers.

    Args:
        default: makes something that JSON has of what it has no word for.
    """
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=default)
    return UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text) + "\n"


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def finite(value: Any) -> Any:
    """Return the same value with every float that JSON has no word for replaced by None."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return value


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace `path` by the rows in one step; the first row's keys are the header."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as CSV; the first row's keys are the header."""
    text = io.StringIO(newline="")
    names = list(rows[0]) if rows else []
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, names))
    writer.writerows([cell(row.get(name, "")) for name in names] for row in rows)
    return text.getvalue()
