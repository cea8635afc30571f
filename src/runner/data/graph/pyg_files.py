"""Files of PyG's datasets: found where they lie, or downloaded; PyG works on a copy, so sources stay as they are."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from runner.data.offline import refuse_offline
from runner.errors import RunnerError

SHIPPED = "karate, toy_graph and generated_graphs"


def find_folder(root: Path, name: str, files: Sequence[str]) -> Path | None:
    """Return the folder with all `files`: `root/name/raw` as PyG lays them out, `root/raw`, `root/name` or `root`."""
    return next(
        (place for place in candidate_folders(root, name) if all((place / file).is_file() for file in files)), None
    )


def candidate_folders(root: Path, name: str) -> list[Path]:
    """Return the folders where files are looked for, in this order."""
    return [root / name / "raw", root / "raw", root / name, root]


def obtain(root: Path, name: str, files: Sequence[str], fetch: Callable[[Path], object]) -> Path:
    """Return the folder that holds `files`, downloaded by `fetch(root)` where they are not found.

    Raises:
        RunnerError: neither found nor to be had; it says where they were looked for.
    """
    if found := find_folder(root, name, files):
        return found
    refuse_offline(name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            fetch(root)
    except Exception as error:  # PyG and urllib raise many kinds: no network, full disk, bad archive
        looked = "\n".join(f"  {place}" for place in candidate_folders(root, name))
        raise RunnerError(
            f"{name} is not there and could not be downloaded ({error}).\nLooked in:\n{looked}\n"
            f"Put its files into one of these folders, or set data.root to where they are.\n"
            f"These graphs ship and need no download: {SHIPPED}."
        ) from error
    found = find_folder(root, name, files)
    if found is None:
        raise RunnerError(f"{name} was downloaded to {root}, but {', '.join(files)} are not all there.")
    return found


@contextmanager
def copied(folder: Path, name: str, files: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary directory laid out as PyG wants it (`<directory>/<name>/raw`), with a copy of the files."""
    with tempfile.TemporaryDirectory(prefix="runner-") as place:
        raw = Path(place) / name / "raw"
        raw.mkdir(parents=True)
        for file in files:
            shutil.copyfile(folder / file, raw / file)
        yield Path(place)
