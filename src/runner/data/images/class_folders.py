"""The folders of an image set, found without importing torch; configurations reach the classes by a resolver."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runner.data.alike import differ_in_case
from runner.errors import RunnerError, did_you_mean

# What the folders of a divided set are called, in any case.
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
# Words that may stand beside: `test_set`, `train_images`, `01_val`.
NEUTRAL = frozenset({"set", "data", "dataset", "split", "images", "image", "imgs", "img", "photos", "pictures"})
# What operating systems and file servers leave in folders.
SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"})
# So many names are given where something is counted.
NAMED = 5


@dataclass(frozen=True)
class Layout:
    """Where the images of a set lie.

    Attributes:
        root: the folder that was named.
        parts: the folder that holds the folders of the classes: of "train", and of "val" and "test" where they are;
            of "" where the set is not divided.
        classes: names of the classes' folders, in order.
        unused: folders beside those of a divided set.
        remarks: what a person should know of how the folders were understood.
    """

    root: Path
    parts: dict[str, Path]
    classes: tuple[str, ...]
    unused: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = field(default=())


def image_layout(root: str | Path) -> Layout:
    """Return how an image set is laid out: classes in `root/train` (by any usual name) if there is one, else in `root`.

    Raises:
        RunnerError: `root` is no folder, or holds no classes, one class only, or parts that cannot be told from
            classes; the message names the folder and the way out.
    """
    root = _existing(Path(root).expanduser())
    folders = subfolders(root)
    parts = _splits_among(root, folders)
    if "train" in parts and not _is_class(parts, folders):
        return _divided(root, parts, folders)
    _check_no_lone_split(root, parts, folders)
    _check_no_parts_in_classes(root, folders)
    classes = _classes(root, folders)
    taken = [f"{path.name}/ is taken as a class, for it holds files and no folders." for path in parts.values()]
    return Layout(root, {"": root}, classes, remarks=(*taken, *_parts_beside(root), *capitals(classes)))


def class_folders(root: str | Path) -> list[Path]:
    """Return the folders whose names are the classes, by name; raises RunnerError as `image_layout` does."""
    layout = image_layout(root)
    top = next(iter(layout.parts.values()))
    return [top / name for name in layout.classes]


def count_classes_in_folder(root: str | Path) -> int:
    """Return the number of classes of an image folder, at least 2; raises RunnerError as `image_layout` does."""
    return len(image_layout(root).classes)


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder by name, without hidden ones and those of operating systems.

    Raises:
        RunnerError: the folder must not be read.
    """
    try:
        with os.scandir(folder) as entries:  # which knows what is a folder, without asking for each file
            return sorted(folder / each.name for each in entries if is_visible(each.name) and each.is_dir())
    except OSError as error:
        raise RunnerError(f"{folder} can't be read ({error.strerror}). Check its permissions.") from error


def is_visible(name: str) -> bool:
    """Return whether a file or folder is there for people."""
    return not name.startswith(".") and name not in SYSTEM_FOLDERS


def enumerated(names: Iterable[str]) -> str:
    """Return the first names, with commas, and how many there are more."""
    listed = [printable(name) for name in names]
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more


def printable(name: object) -> str:
    """Return a name with question marks for the bytes that are no text, as archives from other systems leave them."""
    return str(name).encode(errors="replace").decode()


def capitals(classes: Iterable[str]) -> list[str]:
    """Return a sentence where folders differ in capitals and small letters only."""
    twins = differ_in_case(classes)
    return [f"{printable(twins)} differ in capitals only, and each counts by itself."] if twins else []


def _existing(root: Path) -> Path:
    if root.is_dir():
        return root
    if root.is_file():
        raise RunnerError(
            f"data.root={root} is a file, not a folder. Unpack it if it is an archive, and set data.root to a folder "
            "with one folder a class."
        )
    raise RunnerError(f"No such image folder: {root}. Set data.root to a folder with one folder a class.")


def _split_of(name: str) -> str | None:
    """Return which part of a divided set a folder's name stands for."""
    numberless = re.sub(r"^\d+[\W_]+", "", name.casefold())
    words = [word for word in re.split(r"[\W_]+", numberless) if word and word not in NEUTRAL]
    plain = words[0].removesuffix("set") if len(words) == 1 else ""
    return next((split for split, names in SPLITS.items() if plain in names), None)


def _splits_among(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Return the folders that are called like a part, in the order of `SPLITS`; raises where two are the same part."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        if split := _split_of(folder.name):
            found.setdefault(split, []).append(folder)
    for split, several in found.items():
        if len(several) > 1:
            raise RunnerError(
                f"{root} holds {' and '.join(f'{each.name}/' for each in several)}, which all stand for {split}. "
                "Keep one of them, or move the images of both into it."
            )
    return {split: found[split][0] for split in SPLITS if split in found}


def _is_class(parts: dict[str, Path], folders: list[Path]) -> bool:
    """Return whether the folder `train` is one class among others: it holds files only, and no other part is there."""
    train = parts["train"]
    return len(parts) == 1 and len(folders) > 1 and not subfolders(train) and holds_files(train)


def _divided(root: Path, parts: dict[str, Path], folders: list[Path]) -> Layout:
    classes = _classes(parts["train"], subfolders(parts["train"]))
    unused = tuple(each for each in folders if each not in parts.values())
    remarks = capitals(classes)
    if unused:
        remarks.append(
            f"{root} is divided into {_slashed(parts.values())}; not used: {enumerated(f'{u.name}/' for u in unused)}."
        )
    return Layout(root, parts, classes, unused, tuple(remarks))


def _check_no_lone_split(root: Path, parts: dict[str, Path], folders: list[Path]) -> None:
    """Raise RunnerError where `val` or `test` hold classes but nothing holds those of the training images."""
    lone = [each for split, each in parts.items() if split != "train" and subfolders(each)]
    if lone:
        rest = [each for each in folders if each not in parts.values()]
        classes = f", and the classes {_slashed(rest)} into it" if rest else ""
        raise RunnerError(
            f"{root} holds {_slashed(lone)} with folders inside, but no folder train/. "
            f"Put the training images into {root / 'train'}{classes}; or set data.root={lone[0]} to divide those."
        )


def _check_no_parts_in_classes(root: Path, folders: list[Path]) -> None:
    """Raise RunnerError where every class is divided by itself: its test images would be trained on."""
    if not folders or "train" not in _parts_in(folders[0]):  # the usual case: one folder of images is looked through
        return
    inside = [_parts_in(folder) for folder in folders]
    if len(inside) == 1:
        raise RunnerError(
            f"{root} holds one folder, {folders[0].name}/, with {_slashed(map(Path, inside[0].values()))} "
            f"inside. That is a level too many: set data.root={folders[0]}."
        )
    if all("train" in parts and len(parts) > 1 for parts in inside):
        names = _slashed(map(Path, inside[0].values()))
        raise RunnerError(
            f"{root} holds {_slashed(folders)}, each with {names} inside. Turn the folders around: "
            f"{root / inside[0]['train'] / folders[0].name}, and so on."
        )


def _parts_in(folder: Path) -> dict[str, str]:
    """Return the names of the folders in a folder that are called like a part, by the part."""
    named = ((_split_of(each.name), each.name) for each in subfolders(folder))
    return {split: name for split, name in named if split}


def _parts_beside(root: Path) -> list[str]:
    """Return what to say where the root itself is the training part, and others lie beside it."""
    if _split_of(root.name) != "train":
        return []
    others = [each for each in subfolders(root.absolute().parent) if _split_of(each.name) in ("val", "test")]
    if not others:
        return []
    return [f"{_slashed(others)} beside {root.name}/ are not used: data.root={root.absolute().parent} would use them."]


def _classes(top: Path, folders: list[Path]) -> tuple[str, ...]:
    """Return the names of the classes' folders in `top`, at least two."""
    if not folders:
        files = f"; or set data.root={top.parent} if {top.name} is one of the classes" if holds_files(top) else ""
        raise RunnerError(f"{top} holds no folders. Make one folder for each class and put its images in it{files}.")
    if len(folders) == 1:
        raise _one_class(top, folders[0])
    unreadable = [each.name for each in folders if printable(each.name) != each.name]
    if unreadable:
        raise RunnerError(f"{top} holds folders whose names are no UTF-8: {enumerated(unreadable)}. Rename them.")
    return tuple(each.name for each in folders)


def _one_class(top: Path, only: Path) -> RunnerError:
    """Return the refusal of a single class: often a level too many, as archives have it."""
    below = only
    while len(inner := subfolders(below)) == 1 and not holds_files(below):
        below = inner[0]
    if len(inner) < 2:
        return RunnerError(
            f"{top} holds one folder, {only.name}/, so there is one class only and nothing to tell apart. "
            "Classification needs a folder for each of two or more classes."
        )
    way = f"set data.root={below}"
    if _split_of(top.name) == "train":
        way = f"move them up, to {top}"
    return RunnerError(
        f"{top} holds one folder, {only.name}/, so there is one class only. "
        f"{below} holds {len(inner)} folders ({enumerated(each.name for each in inner)}): "
        f"if these are the classes, {way}."
    )


def unknown_classes(part: Path, known: tuple[str, ...]) -> None:
    """Raise RunnerError where `part` (val or test) has folders of classes that the training images lack."""
    unknown = sorted({each.name for each in subfolders(part)} - set(known))
    if unknown:
        hint = did_you_mean(unknown[0], known)
        raise RunnerError(
            f"{part} has folders for classes that the training images lack: {enumerated(unknown)}.{hint} "
            "Remove or rename them, or add training images."
        )


def holds_files(folder: Path) -> bool:
    """Return whether there are files in a folder itself."""
    with os.scandir(folder) as entries:
        return any(is_visible(each.name) and each.is_file() for each in entries)


def _slashed(folders: Iterable[Path]) -> str:
    return enumerated(f"{each.name}/" for each in folders)
