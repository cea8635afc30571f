"""What lies at a place, in words, where it can't be understood."""

from collections import Counter
from itertools import islice
from pathlib import Path

# So many entries of a folder are looked at, and so many kinds of them named.
LOOKED_AT, NAMED = 10_000, 5


def seen(place: Path) -> str:
    """Return what kinds of files and folders there are: `2 folders (cats, dogs), 3 files .txt`."""
    if place.is_file():
        return f"a file of {place.stat().st_size:,} bytes called {place.name}"
    entries = sorted(islice((each for each in place.iterdir() if not each.name.startswith(".")), LOOKED_AT))
    folders = [each.name for each in entries if each.is_dir()]
    kinds = Counter(each.suffix.lower() or "without a suffix" for each in entries if not each.is_dir())
    words = [f"{counted(count, 'file')} {kind}" for kind, count in kinds.most_common(NAMED)]
    if folders:
        more = " …" if len(folders) > NAMED else ""
        words.insert(0, f"{counted(len(folders), 'folder')} ({', '.join(folders[:NAMED])}{more})")
    return ", ".join(words) or "nothing"


def counted(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
