"""Files of trained weights: where they are looked for, and whether they hold what they should."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = "RUNNER_WEIGHTS"
FORBIDS = "RUNNER_OFFLINE"  # as of `data.offline`, which networks know nothing of
# What `sha256sum` writes: the sums of all files of a folder.
SUMS = "SHA256SUMS"
# torch.hub's custom: the beginning of the SHA-256 ends the name, `resnet18-f37072fd.pth`.
IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
# The Hugging Face hub keeps a large file under its SHA-256, and links to it.
BLOB = re.compile(r"[0-9a-f]{64}")
# Digits of a sum that a message gives.
SHOWN = 16


def own_places(names: Iterable[str]) -> list[Path]:
    """Return where files of these names would lie in the folder that RUNNER_WEIGHTS names; none where it is unset."""
    folder = os.environ.get(FOLDER)
    return [Path(folder).expanduser() / name for name in names] if folder else []


def first_of(places: Sequence[Path]) -> Path | None:
    """Return the first file that is there and holds what it should, None where none is there.

    Raises:
        ValueError: RUNNER_WEIGHTS names no folder, or the first one there is another file than its checksum says.
    """
    folder = os.environ.get(FOLDER)
    if folder and not Path(folder).expanduser().is_dir():
        raise ValueError(f"{FOLDER}={folder} is no folder: name one that holds files of weights, or unset it.")
    found = next((path for path in places if path.is_file()), None)
    if found is not None:
        check_sums(found, known_sums(found))
    return found


def known_sums(path: Path) -> list[str]:
    """Return what a file's SHA-256 begins with: by SHA256SUMS beside it, by its name, and as the hub stores it."""
    known, sums = [], path.parent / SUMS
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition(" ")
            if name.lstrip(" *") == path.name:
                known.append(digest.lower())
    if in_name := IN_NAME.search(path.name):
        known.append(in_name[1])
    stored = path.resolve().name
    return [*known, stored] if BLOB.fullmatch(stored) else known


def check_sums(path: Path, known: Sequence[str]) -> None:
    """Raise ValueError where a file can't be read, or its SHA-256 doesn't begin with each of these."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest() if known else ""
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror}). Check its permissions.") from error
    if wrong := next((each for each in known if not digest.startswith(each)), None):
        shown = slice(min(len(wrong), SHOWN))
        raise ValueError(
            f"{path} is damaged, or another file: its SHA-256 begins with {digest[shown]}, not {wrong[shown]}. "
            "Get it anew."
        )


def forbidden() -> bool:
    """Return whether RUNNER_OFFLINE forbids downloads."""
    return os.environ.get(FORBIDS, "") not in ("", "0")


def missing(what: str, places: Sequence[Path], why: str, ways: str) -> ValueError:
    """Return the message for weights that are nowhere: what was looked for and where, and the ways out."""
    looked = "\n".join(f"  {place}" for place in places)
    hint = "" if os.environ.get(FOLDER) else f" ({FOLDER}, a folder of your own for such files, is not set)"
    return ValueError(f"The weights of {what} could not be had ({why}). Looked for{hint}:\n{looked}\n{ways}")
