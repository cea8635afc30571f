"""Downloads of published data, and the environment variable that forbids them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from runner.errors import RunnerError

VARIABLE = "RUNNER_OFFLINE"
SHIPPED = "digits, diabetes, line, hours, random_images, shapes_boxes and shapes_masks"


def refuse_offline(what: str, looked: Sequence[Path] = ()) -> None:
    """Raise RunnerError where downloads are forbidden; call it before one begins."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        raise RunnerError(f"{what} is not there, and {VARIABLE} forbids to download it.{_places(looked)}")


def fetch_into(root: Path, name: str, fetch: Callable[[], object], looked: Sequence[Path], hint: str = "") -> None:
    """Call `fetch`, which downloads a data set below `root`, one process at a time.

    Raises:
        RunnerError: downloads are forbidden, or it failed; the message says where the files were `looked` for.
    """
    refuse_offline(name, looked)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            fetch()
    except Exception as error:  # torchvision and urllib raise many kinds: no network, full disk, bad checksum
        raise RunnerError(
            f"{name} is not there and could not be downloaded ({error}).{_places(looked)}\n"
            f"Put its files into one of these folders, or set data.root to where they are.{hint}\n"
            f"These datasets ship and need no download: {SHIPPED}."
        ) from error


def _places(looked: Sequence[Path]) -> str:
    return "".join(["\nLooked in:", *(f"\n  {place}" for place in looked)]) if looked else ""


@contextmanager
def offline() -> Iterator[None]:
    """Forbid downloads within this context, unless the variable says otherwise already."""
    before = os.environ.get(VARIABLE)
    os.environ.setdefault(VARIABLE, "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
