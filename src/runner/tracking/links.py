"""Links that lead out of a run's or a sweep's directory: through one, a stranger's directory would write elsewhere.

Of hard links nobody can tell where they lead; copies that backups keep are ones. What is written in place is made a
file of its own first.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from runner.errors import RunnerError
from runner.files import write_with

# Levels of folders below a run directory that a run writes to.
LEVELS = 8


def refuse_links(directory: Path, levels: int = LEVELS) -> None:
    """Do nothing unless something in a directory is a symbolic link to a place outside of it.

    The directory itself may be one, or lie behind one: whoever names it means it.

    Args:
        levels: of folders that are looked through; 1 is what lies in the directory itself.

    Raises:
        RunnerError: there is such a link.
    """
    root = Path(os.path.realpath(directory))
    for path in links(root, levels):
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(root):
            raise RunnerError(
                f"{path}: is a symbolic link to {target}, outside of its directory, and nothing is written through "
                "it. Put the file or folder itself in its place, or remove the link."
            )


def unlink_copies(directory: Path, names: Iterable[str]) -> None:
    """Replace files that have further names, elsewhere, by copies that only this directory has.

    Args:
        names: of files in the directory, which may be absent.
    """
    for name in names:
        path = directory / name
        try:
            shared = path.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISREG(shared.st_mode) and shared.st_nlink > 1:
            with path.open("rb") as file:
                write_with(path, partial(shutil.copyfileobj, file))


def links(directory: Path, levels: int) -> Iterator[Path]:
    """Yield the symbolic links in a directory and in the folders below it."""
    try:
        with os.scandir(directory) as found:
            entries = list(found)
    except OSError:  # what cannot be looked into has a message of its own, where it is used
        return
    for entry in entries:
        if entry.is_symlink():
            yield Path(entry.path)
        elif levels > 1 and entry.is_dir(follow_symlinks=False):
            yield from links(Path(entry.path), levels - 1)
