"""Copies: the same picture in several parts of a set, or in several classes."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from runner.data.images.class_folders import enumerated
from runner.data.images.inspection import Look
from runner.data.module import Samples

# So many bytes are read at most to tell copies from pictures that only end alike.
MOST_BYTES = 1 << 28


def groups_of_copies(paths: Sequence[Path], looks: Sequence[Look]) -> list[list[int]]:
    """Return the rows of files that hold the same, in groups; only what begins and ends alike is read."""
    alike: dict[object, list[int]] = {}
    for row, look in enumerate(looks):
        if not look.broken:
            alike.setdefault(look.ends, []).append(row)
    same: dict[object, list[int]] = {}
    left = MOST_BYTES
    for ends, rows in alike.items():
        left -= looks[rows[0]].ends[0] * len(rows) if len(rows) > 1 else 0
        if left < 0:
            break
        for row in rows if len(rows) > 1 else ():
            same.setdefault((ends, _content(paths[row])), []).append(row)
    return [rows for rows in same.values() if len(rows) > 1]


def remarks(
    names: Sequence[str], groups: Sequence[Sequence[int]], splits: Mapping[str, Samples], targets: Tensor
) -> list[str]:
    """Return a sentence for each part that shares pictures with training, and one for pictures in several classes."""
    said = []
    part = {row: split for split, samples in splits.items() for row in samples.indices.tolist()} if groups else {}
    for split in ("val", "test"):
        shared = [rows for rows in groups if {"train", split} <= {part.get(row) for row in rows}]
        if shared:
            count = sum(part.get(row) == split for rows in shared for row in rows)
            pairs = enumerated(_pair(names, rows, part, split) for rows in shared)
            said.append(
                f"{count:,} of {len(splits[split]):,} {split} images are among the training images as well ({pairs}): "
                f"the {split} split promises too much. Remove the copies."
            )
    torn = [rows for rows in groups if len({int(targets[row]) for row in rows}) > 1]
    if torn:
        pairs = enumerated(" and ".join(names[row] for row in rows[:2]) for rows in torn)
        said.append(f"{len(torn):,} pictures lie in several classes ({pairs}). Remove them from all but the right one.")
    return said


def _pair(names: Sequence[str], rows: Sequence[int], part: Mapping[int, str], split: str) -> str:
    """Return the names of a picture in a part and of its copy in training."""
    here, there = (next(names[row] for row in rows if part.get(row) == each) for each in (split, "train"))
    return f"{here} is {there}"


def _content(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:  # told of where it is decoded
        return str(path).encode(errors="surrogateescape")
