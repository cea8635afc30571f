"""What tells the files of a folder from those that lay there before."""

from collections.abc import Callable
from pathlib import Path

Stamps = tuple[tuple[str, int], ...]


def stamps(root: Path, matters: Callable[[Path], bool]) -> Stamps:
    """Return paths and times of change of all that matters down to two folders below `root`, in order of names."""
    near = {root, *root.glob("*"), *root.glob("*/*")}
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in near if matters(path)))
