"""The image files below a folder, and what else lies there."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from runner.data.images.class_folders import Layout, enumerated, holds_files, is_visible, subfolders, unknown_classes
from runner.data.images.opened import drawn_formats
from runner.errors import RunnerError

# What a folder is on its disk, by whatever way it is reached: device and number.
Place = tuple[int, int]


def image_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of all formats that this installation of Pillow can open and draw."""
    openable = {*drawn_formats(), "MPO"}
    return frozenset(suffix.lower() for suffix, form in Image.registered_extensions().items() if form in openable)


@dataclass
class Listing:
    """The images of a set, in order: of each its file, the number of its class, and the part where it lies.

    Attributes:
        others: files of which the suffix says that Pillow draws no such images, and links that lead nowhere.
        hidden: how many files and folders have names that hide them.
        loops: links to a folder that they lie in themselves, or to another class.
        remarks: what was skipped and what the folders lack, in sentences.
    """

    root: Path
    paths: list[Path] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    hidden: int = 0
    loops: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """Return a path as people know it: relative to the set's root."""
        return path.as_posix().removeprefix(self.root.as_posix()).lstrip("/")

    def keep(self, rows: list[int]) -> None:
        """Keep these rows only."""
        self.paths = [self.paths[row] for row in rows]
        self.classes = [self.classes[row] for row in rows]
        self.parts = [self.parts[row] for row in rows]


def list_images(layout: Layout) -> Listing:
    """Return all images of a set, class by class within each part, and what was skipped.

    Raises:
        RunnerError: a class has no images, or val or test have classes that train lacks.
    """
    listing, suffixes = Listing(layout.root), image_suffixes()
    for part, folder in layout.parts.items():
        unknown_classes(folder, layout.classes)
        lacking = []
        places = {_place(each) for each in (layout.root, *layout.root.resolve().parents, *layout.parts.values())}
        for number, name in enumerate(layout.classes):
            others = {_place(folder / other) for other in layout.classes if other != name and (folder / other).is_dir()}
            found = _images_of(folder / name, listing, suffixes, frozenset(places | others))
            if not found and part in ("val", "test"):
                lacking.append(name)
            elif not found:
                raise _no_images(folder / name, listing)
            listing.paths += found
            listing.classes += [number] * len(found)
            listing.parts += [part] * len(found)
        if len(lacking) == len(layout.classes):
            raise RunnerError(f"{folder} holds no images. Put some into folders of its classes, or remove it.")
        if lacking:
            listing.remarks.append(f"{folder.name}/ has no images of {enumerated(lacking)}.")
    _look_beside(layout, listing)
    listing.remarks += _skipped(listing)
    return listing


def _images_of(folder: Path, listing: Listing, suffixes: frozenset[str], others: frozenset[Place]) -> list[Path]:
    """Return the images of a class by name; say so where they all lie in folders of their own.

    `others` are folders that are none of this class, wherever links lead.
    """
    found: list[Path] = []
    if folder.is_dir():
        _walk(folder, listing, suffixes, found, others)
    found.sort(key=lambda path: path.parts)
    if found and all(path.parent != folder for path in found):
        inner = enumerated(each.name for each in subfolders(folder))
        listing.remarks.append(
            f"{listing.name(folder)}/ holds images in folders only ({inner}): all count as class {folder.name}. "
            f"If those folders are the classes, set data.root={folder}."
        )
    return found


def _walk(folder: Path, listing: Listing, suffixes: frozenset[str], found: list[Path], above: frozenset[Place]) -> None:
    """Add the images below `folder` to `found`; links are followed, but not to folders `above` it or of others."""
    here = _place(folder)
    if here in above:
        listing.loops.append(folder)
        return
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise RunnerError(f"{folder} can't be read ({error.strerror}). Check its permissions.") from error
    for entry in entries:
        path = folder / entry.name
        if not is_visible(entry.name):
            listing.hidden += 1
        elif entry.is_dir():
            _walk(path, listing, suffixes, found, above | {here})
        elif path.suffix.lower() in suffixes and entry.is_file():
            found.append(path)
        else:
            listing.others.append(path)


def _place(folder: Path) -> Place:
    state = folder.stat()
    return state.st_dev, state.st_ino


def _look_beside(layout: Layout, listing: Listing) -> None:
    """Note the files that lie beside the folders of classes and parts."""
    for folder in dict.fromkeys([layout.root, *layout.parts.values()]):
        for entry in os.scandir(folder):
            if not is_visible(entry.name):
                listing.hidden += 1
            elif not entry.is_dir():
                listing.others.append(folder / entry.name)


def _no_images(folder: Path, listing: Listing) -> RunnerError:
    inside = [each for each in listing.others if each.is_relative_to(folder)]
    kinds = f" It holds {_kinds(inside)}, which is not read as images." if inside else ""
    inner = [each.name for each in subfolders(folder)]
    folders = f" It holds folders ({enumerated(inner)}), but no images in them either." if inner and not inside else ""
    return RunnerError(
        f"{folder} holds no images.{kinds}{folders} Put some there, or remove the folder.{_level(folder)}"
    )


def _level(folder: Path) -> str:
    """Return the advice for folders of classes that lie a level deeper, beside a folder without images."""
    for beside in subfolders(folder.parent):
        inner = subfolders(beside)
        if beside != folder and len(inner) > 1 and not holds_files(beside):
            names = enumerated(each.name for each in inner)
            return f" If the classes are the folders in {beside} ({names}), set data.root={beside}."
    return ""


def _skipped(listing: Listing) -> list[str]:
    remarks = []
    if others := sorted(listing.others):
        names = enumerated(listing.name(each) for each in others)
        remarks.append(f"Skipped {_kinds(others)}, not read as images: {names}.")
    if listing.hidden:
        remarks.append(f"Skipped {listing.hidden:,} hidden files or folders.")
    if listing.loops:
        names = enumerated(listing.name(each) for each in sorted(listing.loops))
        remarks.append(f"Skipped links to folders that they lie in themselves or to other classes: {names}.")
    return remarks


def _kinds(paths: list[Path]) -> str:
    """Return how many files there are of each suffix: `12 .heic, 1 .txt`; what is missing is a link to nowhere."""
    counts = Counter((path.suffix.lower() or "without suffix") if path.exists() else "dead link" for path in paths)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
