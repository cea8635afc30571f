"""A small data set in MNIST's file format, made of scikit-learn's digits: no download, no file of somebody else's."""

import struct
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

TRAIN, TEST, SIZE = 1200, 300, 28
BRIGHTEST = 16


def idx(values: Tensor) -> bytes:
    """Return uint8 values of any shape as the content of an IDX file."""
    return struct.pack(f">BBBB{values.dim()}I", 0, 0, 8, values.dim(), *values.shape) + values.numpy().tobytes()


def digits() -> tuple[Tensor, Tensor]:
    """Return 1,500 images uint8 (N, 28, 28) and their classes uint8 (N,)."""
    source = load_digits()
    count = TRAIN + TEST
    small = torch.from_numpy(source.images[:count]).float().unsqueeze(1) / BRIGHTEST
    large = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return (large * 255).round().to(torch.uint8).squeeze(1), torch.from_numpy(source.target[:count]).to(torch.uint8)


def write_mnist(root: Path) -> Path:
    """Write the four files where torchvision would put them below `root`; return their folder."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images, labels = digits()
    for part, rows in (("train", slice(0, TRAIN)), ("t10k", slice(TRAIN, TRAIN + TEST))):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images[rows]))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels[rows]))
    return folder


@pytest.fixture(scope="session")
def mnist_data(tmp_path_factory) -> Path:
    """The directory below which MNIST/raw lies: what `data.root` and RUNNER_DATA name."""
    root = tmp_path_factory.mktemp("mnist")
    write_mnist(root)
    return root
