"""ImageFolder: the user's own images, one folder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.batches import Rows
from runner.data.images.class_folders import SPLITS, class_folders
from runner.data.images.decode import SUFFIXES, decode_image
from runner.data.images.image import ImageDataModule
from runner.data.module import Source
from runner.errors import RunnerError


class LazyImages:
    """Image files decoded when a batch asks for them: indexed by int64 (n,), yields uint8 (n, C, size, size)."""

    def __init__(self, paths: Sequence[Path], size: int, channels: int) -> None:
        self.paths, self.size, self.channels = list(paths), size, channels

    def __getitem__(self, index: Tensor) -> Tensor:
        images = [decode_image(self.paths[i], self.size, self.channels) for i in index.tolist()]
        return torch.stack(images) if images else torch.empty(0, self.channels, self.size, self.size).byte()

    def __len__(self) -> int:
        return len(self.paths)


class ImageFolder(ImageDataModule):
    """Images in `root/<class>/*`, or divided by the user in `root/{train,val,test}/<class>/*`.

    Of the user's division, `train` is needed; a missing `val` or `test` is set aside from it. All images are
    decoded once and kept in memory if they take at most `memory_limit_gb` GB; else each batch decodes its own,
    in `num_workers` processes.
    """

    def __init__(self, *, root: str, memory_limit_gb: float = 4.0, **image: Any) -> None:
        super().__init__(**image)
        self.root, self.memory_limit_gb = Path(root), memory_limit_gb

    def load(self) -> Source:
        """List the images of all splits, check and, where they fit, decode them."""
        names = tuple(folder.name for folder in class_folders(self.root))
        divided = (self.root / "train").is_dir()
        parts = [s for s in SPLITS if (self.root / s).is_dir()] if divided else [""]
        files = {part: _labelled(self.root / part, names) for part in parts}
        paths = [path for part in parts for path, _ in files[part]]
        targets = torch.tensor([number for part in parts for _, number in files[part]])
        ends = dict(zip(parts, torch.tensor([len(files[p]) for p in parts]).cumsum(0).tolist(), strict=True))
        set_aside = {p: torch.arange(ends[p] - len(files[p]), ends[p]) for p in parts if p in ("val", "test")}
        return Source(self._images(paths), targets, class_names=names, **set_aside)

    def _images(self, paths: list[Path]) -> Rows:
        lazy = LazyImages(paths, self.image_size, self.channels)
        gigabytes = len(paths) * self.channels * self.image_size**2 / 1e9
        return lazy if gigabytes > self.memory_limit_gb else lazy[torch.arange(len(paths))]


def _labelled(top: Path, names: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Return all images below `top` with their classes' numbers; raises RunnerError for a class that isn't known."""
    unknown = {f.name for f in top.iterdir() if f.is_dir() and not f.name.startswith(".")} - set(names)
    if unknown:
        raise RunnerError(
            f"{top} has folders for classes that the training images lack: {', '.join(sorted(unknown))}. "
            "Remove them, or add training images."
        )
    return [(path, number) for number, name in enumerate(names) for path in _files(top / name)]


def _files(folder: Path) -> list[Path]:
    """Return the image files below a class's folder, by name; raises RunnerError where there are none."""
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
    if not files:
        raise RunnerError(
            f"{folder} holds no images. Put some there, or remove the folder. "
            f"Known endings: {', '.join(sorted(SUFFIXES))}."
        )
    return files
