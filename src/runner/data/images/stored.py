"""Decoded images: in memory, in a file on disk that runs share, or decoded anew whenever a batch asks for them."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from runner.data.images import file_digests
from runner.data.images.appearance import Appearance
from runner.data.images.decode import UnreadableImageError, decoded, in_silence, read_image
from runner.errors import RunnerError
from runner.files import write_json
from runner.measure.machine import cores

# Part of the key of what is stored: raise it when the same file would be decoded to other pixels.
VERSION = 2
PIXELS, BROKEN = "pixels.npy", "broken.json"
# So many images are handed to the threads at once: what is left of them is waited for when a run is interrupted.
CHUNK = 1024
# From so many images on, a person who waits is shown how far decoding is.
LONG = 10_000
# Bytes that are left free on a disk.
SPARE = 100_000_000


class LazyImages:
    """Image files decoded when a batch asks for them: indexed by int64 (n,), yields uint8 (n, C, size, size)."""

    def __init__(self, paths: Sequence[Path], appearance: Appearance) -> None:
        self.paths, self.appearance = list(paths), appearance

    def __getitem__(self, index: Tensor) -> Tensor:
        with in_silence():
            images = [read_image(self.paths[i], self.appearance) for i in index.tolist()]
        return torch.stack(images) if images else torch.empty(0, *shape(self.appearance), dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.paths)


class StoredImages:
    """Images in a file on disk, mapped into memory: indexed by int64 (n,), yields uint8 (n, C, size, size).

    `rows` int64 (N,) are those of the file that count. Worker processes map the file themselves.
    """

    def __init__(self, file: Path, rows: Tensor) -> None:
        self.file, self.rows = file, rows
        self._pixels: np.ndarray | None = None

    def __getitem__(self, index: Tensor) -> Tensor:
        if self._pixels is None:
            self._pixels = np.load(self.file, mmap_mode="r", allow_pickle=False)
        return torch.from_numpy(self._pixels[self.rows[index].numpy()])

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}


@dataclass(frozen=True)
class Decoded:
    """Images after decoding: their rows, uint8 (N, C, size, size), and why some are none, by row.

    The rows of broken images are black.
    """

    images: Tensor | StoredImages
    broken: dict[int, str]


class CacheRefusedError(RunnerError):
    """A place for decoded images that cannot hold them."""


def without(images: Tensor | StoredImages, left_out: Collection[int]) -> Tensor | StoredImages:
    """Return images without some rows."""
    if not left_out:
        return images
    rows = torch.tensor([row for row in range(len(images)) if row not in left_out], dtype=torch.int64)
    if isinstance(images, StoredImages):
        return StoredImages(images.file, images.rows[rows])
    return images[rows]


def shape(appearance: Appearance) -> tuple[int, int, int]:
    """Return the shape of one image: (channels, size, size)."""
    return appearance.channels, appearance.size, appearance.size


def size_in_bytes(count: int, appearance: Appearance) -> int:
    """Return how many bytes so many images take once they are decoded."""
    return count * int(np.prod(shape(appearance)))


def workers(asked: int) -> int:
    """Return how many threads decode: as many as asked for, at least one for each core that is this process's."""
    return max(asked, int(cores()))


def decode_in_memory(paths: Sequence[Path], appearance: Appearance, threads: int) -> Decoded:
    """Return all images as one tensor."""
    pixels = np.zeros((len(paths), *shape(appearance)), dtype=np.uint8)
    broken: dict[int, str] = {}
    for part in _decode_into(pixels, paths, appearance, threads):
        broken |= part
    return Decoded(torch.from_numpy(pixels), broken)


def decode_to_disk(
    names: Sequence[str], paths: Sequence[Path], appearance: Appearance, directory: Path, threads: int
) -> Decoded:
    """Return all images from a file below `directory` that holds the same ones decoded alike, or is now written.

    What they are called below their root and what they hold decides, not where they lie. Of several processes that
    ask at once one decodes, and the others wait for it.

    Raises:
        CacheRefusedError: the directory can't be written to, or has no room.
        RunnerError: what it holds is damaged.
    """
    salt = f"{VERSION} {PIL.__version__} {appearance}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        place = directory / file_digests.digest(names, paths, memory=directory, salt=salt)
        if not place.is_dir():
            with FileLock(f"{place}.lock"):
                if not place.is_dir():
                    _write(place, paths, appearance, threads)
    except OSError as error:
        raise _refusal(directory, error.strerror or error) from error
    try:
        kept = np.load(place / PIXELS, mmap_mode="r", allow_pickle=False)
        whole = kept.shape == (len(paths), *shape(appearance)) and kept.dtype == np.uint8
        broken = {int(row): why for row, why in json.loads((place / BROKEN).read_text(encoding="utf-8")).items()}
    except (OSError, ValueError) as error:
        raise RunnerError(f"{place} is damaged ({error}). Delete it and run again.") from error
    if not whole:
        raise RunnerError(f"{place} is damaged: its images have shape {kept.shape}. Delete it and run again.")
    return Decoded(StoredImages(place / PIXELS, torch.arange(len(paths))), broken)


def has_room(directory: Path, count: int, appearance: Appearance) -> bool:
    """Return whether so many decoded images fit on the disk of a directory, which need not exist."""
    return shutil.disk_usage(_nearest(directory)).free > size_in_bytes(count, appearance) + SPARE


def check_place(directory: Path) -> None:
    """Raise CacheRefusedError where no decoded images could be kept below a directory; write nothing."""
    existing = _nearest(directory)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise _refusal(directory, f"{existing} can't be written to")


def _nearest(directory: Path) -> Path:
    """Return the directory, or the nearest one above it that is there."""
    return next(each for each in (directory, *directory.absolute().parents) if each.exists())


def _refusal(directory: Path, why: object) -> CacheRefusedError:
    return CacheRefusedError(
        f"Decoded images can't be kept in {directory} ({why}). Set data.cache to another directory, or to none."
    )


def _write(place: Path, paths: Sequence[Path], appearance: Appearance, threads: int) -> None:
    """Decode into a directory beside `place`, which then takes its name."""
    if not has_room(place.parent, len(paths), appearance):
        needed = size_in_bytes(len(paths), appearance) / 1e9
        raise OSError(errno.ENOSPC, f"no room for {needed:.1f} GB")
    beside = place.with_name(f"{place.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        pixels = np.lib.format.open_memmap(
            beside / PIXELS, mode="w+", dtype=np.uint8, shape=(len(paths), *shape(appearance))
        )
        _reserve(beside / PIXELS)
        broken: dict[int, str] = {}
        for part in _decode_into(pixels, paths, appearance, threads):
            broken |= part
        pixels.flush()
        write_json(beside / BROKEN, broken)
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _reserve(file: Path) -> None:
    """Take all the room of a file on its disk now: a disk that is full later would end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def _decode_into(
    pixels: np.ndarray, paths: Sequence[Path], appearance: Appearance, threads: int
) -> Iterator[dict[int, str]]:
    """Decode files into uint8 (N, C, size, size) in threads; yield, part by part, why some are broken, by row."""

    def decode(row: int) -> str | None:
        try:
            image = decoded(paths[row], appearance)
        except UnreadableImageError as error:
            return str(error)
        pixels[row] = image if appearance.channels == 1 else image.transpose(2, 0, 1)
        return None

    Image.init()  # here, since threads that load Pillow's formats at the same time get in each other's way
    with ThreadPoolExecutor(threads) as pool:
        for start in track(
            range(0, len(paths), CHUNK),
            description="decoding images",
            console=Console(stderr=True),
            transient=True,
            disable=len(paths) < LONG or not sys.stderr.isatty(),
        ):
            rows = range(start, min(start + CHUNK, len(paths)))
            yield {row: why for row, why in zip(rows, pool.map(decode, rows), strict=True) if why is not None}
