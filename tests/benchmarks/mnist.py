"""MNIST for the benchmarks: the real files where they are found, random images of the same size elsewhere."""

from pathlib import Path

import torch
from torch import Tensor

from runner.data.images.idx import read_idx
from runner.errors import RunnerError
from tests.benchmarks import training


def root() -> str | None:
    """The directory below which MNIST/raw lies, or None."""
    return training.root("MNIST/raw")


def training_images() -> tuple[Tensor, Tensor]:
    """uint8 (60000, 1, 28, 28) and int64 (60000,)."""
    place = root()
    if place is None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (60_000, 1, 28, 28), dtype=torch.uint8, generator=generator)
        return images, torch.randint(0, 10, (60_000,), generator=generator)
    raw = Path(place) / "MNIST" / "raw"
    try:
        images = read_idx(raw / "train-images-idx3-ubyte", dimensions=3)
        labels = read_idx(raw / "train-labels-idx1-ubyte", dimensions=1)
    except RunnerError as error:
        raise SystemExit(str(error)) from None
    pixels = images.float() / 255
    # What conf/data/mnist.yaml scales by; only the real images can say whether it is right.
    if abs(pixels.mean() - 0.1307) > 5e-4 or abs(pixels.std() - 0.3081) > 5e-4:
        raise SystemExit(f"{raw}: not MNIST: mean {pixels.mean():.4f}, deviation {pixels.std():.4f}")
    return images.unsqueeze(1), labels.long()
