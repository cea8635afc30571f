"""IDX files, the format of MNIST: read raw or gzipped, and checked against their own header."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runner.errors import RunnerError
from runner.files.reading import TooLargeError, unpack

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Return a uint8 tensor with the shape the file's header gives; `path` may end in .gz.

    Format: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit number, then the values (http://yann.lecun.com/exdb/mnist).

    Raises:
        RunnerError: the file is damaged, no IDX file of bytes, of other than `dimensions` dimensions, or shorter
            or longer than its header says.
    """
    content = _content(path)
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if content[:4] != magic:
        raise _damaged(path, f"it begins with {content[:4].hex() or 'nothing'} where {magic.hex()} belongs")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _damaged(path, f"expected a header of {header} bytes, found {len(content)} bytes")
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4).astype(int).tolist()
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise _damaged(path, f"expected {expected} bytes for shape {shape}, found {len(content)} bytes")
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    return torch.from_numpy(values.copy()).reshape(shape)


def read_pair(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Return images uint8 (n, 1, h, w) and labels int64 (n,); raises RunnerError also where the counts differ."""
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(classes):
        raise _damaged(labels, f"it has {len(classes)} labels, but {images} has {len(pixels)} images")
    return pixels.unsqueeze(1), classes.to(torch.int64)


def _content(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return unpack(file, path.stat().st_size)
    except (gzip.BadGzipFile, zlib.error, EOFError, TooLargeError) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise RunnerError(f"{path} can't be read ({error.strerror}). Check its permissions.") from error


def _damaged(path: Path, reason: str) -> RunnerError:
    return RunnerError(f"{path} is damaged: {reason}. Delete it and run again to download.")
