"""A gallery: images whose names are known, which others are compared with."""

from pathlib import Path

from runner.data.images.listing import image_suffixes
from runner.errors import RunnerError


def gallery_images(folder: Path) -> dict[Path, str]:
    """Return the images below a folder with their names: `ann/1.png` and `ann.png` are both of `ann`.

    Hidden files and folders are left out.

    Raises:
        RunnerError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise RunnerError(f"--gallery {folder}: there is no such directory.")
    suffixes, found = image_suffixes(), {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix.lower() in suffixes and path.is_file() and not any(each.startswith(".") for each in parts):
            found[path] = parts[0] if len(parts) > 1 else path.stem
    if not found:
        raise RunnerError(f"--gallery {folder}: holds no images. Put NAME.png or NAME/….png there.")
    return found
