"""The classes of an image folder, found without importing torch; configurations reach them by a resolver."""

from pathlib import Path

from runner.errors import RunnerError

SPLITS = ("train", "val", "test")


def class_folders(root: str | Path) -> list[Path]:
    """Return the folders whose names are the classes, by name: those in `root/train` if that exists, else in `root`.

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
    """Return the number of classes of an image folder; raises RunnerError as `class_folders` does."""
    return len(class_folders(root))
