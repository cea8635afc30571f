"""Mnist, FashionMnist, Cifar10: files that are already there, or downloaded through torchvision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
import torchvision

from runner.data.images.idx import read_pair
from runner.data.images.image import ImageDataModule
from runner.data.module import Batch, Source
from runner.data.offline import fetch_into


class DownloadedImages(ImageDataModule):
    """A dataset below `root`; looked for first, downloaded second. Found files are only ever read."""

    def __init__(self, *, root: str, **image: Any) -> None:
        super().__init__(**image)
        self.root = Path(root)

    def download(self, name: str, fetch: Callable[[], object], looked: list[Path], hint: str = "") -> None:
        """Download what is not there; see `fetch_into`."""
        fetch_into(self.root, name, fetch, looked, hint)


class Mnist(DownloadedImages):
    """60,000 training and 10,000 test images of handwritten digits: uint8 (N, 1, 28, 28), classes 0 to 9.

    The four IDX files, raw or .gz, may lie in `root` itself or as torchvision lays them out (`MNIST/raw`).

    Source: Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist.
    """

    dataset: ClassVar[Any] = torchvision.datasets.MNIST
    system_folders: ClassVar[tuple[Path, ...]] = ()
    hint: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def load(self) -> Source:
        """Read the four files, downloading them first if need be."""
        folder = self._find()
        if folder is None:
            name = self.dataset.__name__
            looked = self._places()
            fetch = lambda: self.dataset(str(self.root), download=True)  # noqa: E731 - verified by MD5 there
            self.download(name, fetch, looked, self.hint)
            folder = self.root / name / "raw"
        return _source(read_pair(*_files(folder, "train")), read_pair(*_files(folder, "t10k")), self.labels)

    def _places(self) -> list[Path]:
        return [self.root, self.root / self.dataset.__name__ / "raw", self.root / "raw", *self.system_folders]

    def _find(self) -> Path | None:
        complete = (p for p in self._places() if all(f.exists() for s in ("train", "t10k") for f in _files(p, s)))
        return next(complete, None)


class FashionMnist(Mnist):
    """60,000 training and 10,000 test images of clothes: uint8 (N, 1, 28, 28), ten classes.

    Also found where Debian's package puts it.

    Source: H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747.
    """

    dataset = torchvision.datasets.FashionMNIST
    system_folders = (Path("/usr/share/datasets/fashion-mnist"),)
    hint = " On Debian and Ubuntu, `apt install dataset-fashion-mnist` installs them."
    labels = tuple(torchvision.datasets.FashionMNIST.classes)


class Cifar10(DownloadedImages):
    """50,000 training and 10,000 test photographs: uint8 (N, 3, 32, 32), ten classes.

    Lies in `root/cifar-10-batches-py`. torchvision checks the files' MD5 sums before it unpickles them.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    dataset: ClassVar[Any] = torchvision.datasets.CIFAR10

    def load(self) -> Source:
        """Read both parts, downloading them first if they are missing or their checksums are wrong."""
        try:
            self.dataset(str(self.root), train=False)
        except RuntimeError:
            fetch = lambda: self.dataset(str(self.root), download=True)  # noqa: E731
            self.download("CIFAR-10", fetch, [self.root / self.dataset.base_folder])
        training = self.dataset(str(self.root), train=True)
        test = self.dataset(str(self.root), train=False)
        return _source(_pixels(training), _pixels(test), tuple(training.classes))


def _source(training: Batch, test: Batch, class_names: tuple[str, ...]) -> Source:
    """Return one dataset of both parts, the second of them set aside for the test."""
    inputs, targets = (torch.cat(parts) for parts in zip(training, test, strict=True))
    return Source(inputs, targets, test=torch.arange(len(training[1]), len(targets)), class_names=class_names)


def _files(folder: Path, part: str) -> tuple[Path, Path]:
    """Return images and labels of a part ("train" or "t10k"): the raw file where there is one, else the .gz."""
    raw = folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte"
    images, labels = (file if file.exists() else file.with_name(f"{file.name}.gz") for file in raw)
    return images, labels


def _pixels(part: Any) -> Batch:
    """Convert torchvision's arrays (n, h, w, 3) and list of labels to uint8 (n, 3, h, w) and int64 (n,)."""
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(part.targets, dtype=torch.int64)
