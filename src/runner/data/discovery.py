"""Sizes that only the user's files tell, found without importing torch; configurations reach them as resolvers."""

from collections.abc import Iterable
from pathlib import Path

from runner.data.delimited import read_table
from runner.errors import RunnerError

SPLITS = ("train", "val", "test")


def class_folders(root: str | Path) -> list[Path]:
    """The folders whose names are the classes, by name: those in `root/train` if that exists, else in `root`.

    Raises:
        RunnerError: `root` is missing or holds no folders.
    """
    root = Path(root)
    if not root.is_dir():
        raise RunnerError(f"No such image folder: {root}. Set data.root to a folder with one folder a class.")
    top = root / "train" if (root / "train").is_dir() else root
    folders = sorted(entry for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise RunnerError(f"{top} holds no folders. Make one folder for each class and put its images in it.")
    return folders


def count_classes_in_folder(root: str | Path) -> int:
    """How many classes an image folder has; raises RunnerError as `class_folders` does."""
    return len(class_folders(root))


def count_features(path: str | Path, features: Iterable[str] | None, target: str) -> int:
    """How many feature columns a table has: the named ones, or all but `target` where `features` is None.

    Raises:
        RunnerError: the file or a column is missing.
    """
    return len(read_table(path).features(list(features) if features is not None else None, target))


def count_classes_in_column(path: str | Path, target: str, target_kind: str = "classification") -> int | None:
    """How many different values the column `target` has; None for regression, where they aren't classes.

    Raises:
        RunnerError: the file or the column is missing.
    """
    labels = read_table(path).column(target)
    return None if target_kind == "regression" else len(class_labels(labels))


def class_labels(values: Iterable[str]) -> list[str]:
    """The different values in order: as numbers where all are whole numbers, else alphabetically."""
    labels = {value.strip() for value in values}
    whole = all(label.lstrip("+-").isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label), label)) if whole else sorted(labels)
