"""EdgePatches: pieces of the photographs that ship with scikit-learn, and where an edge filter answers in them."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from runner.data.images.appearance import Appearance
from runner.data.images.decode import picture_as_seen
from runner.data.module import DataModule, Source
from runner.errors import RunnerError
from runner.measure.filters import EDGES, correlate


class EdgePatches(DataModule):
    """Raw inputs uint8 (N, 1, size, size), grey; targets float32 (N, 1, size - 2, size - 2), the filter's response.

    The network gets float32 from 0 to 1; responses are to that.

    Args:
        kernel: the filter, one of `runner.measure.filters.EDGES`.
        image_size: side of the pieces that two photographs of 427x640 are cut into.
    """

    kind: ClassVar[str] = "edges"

    def __init__(self, *, kernel: str, channels: int, image_size: int, **splitting: Any) -> None:
        super().__init__(**splitting)
        if kernel not in EDGES:
            raise RunnerError(f"data.kernel={kernel}: must be one of {', '.join(EDGES)}.")
        self.image_size, self.kernel = image_size, EDGES[kernel]

    def load(self) -> Source:
        """Cut the photographs, and filter the pieces."""
        photographs = [torch.from_numpy(_grey(Image.fromarray(each))) for each in load_sample_images().images]
        pieces = [
            each.unfold(0, self.image_size, self.image_size).unfold(1, self.image_size, self.image_size).flatten(0, 1)
            for each in photographs
        ]
        images = torch.cat(pieces)[:, None].contiguous()
        return Source(images, correlate(self.transform(images), self.kernel[None, None]))

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert uint8 to float32 from 0 to 1."""
        return inputs.to(torch.float32).div_(255)

    def read(self, paths: list[Path]) -> Tensor:
        """Read one picture whole, as uint8 (1, 1, height, width)."""
        return torch.stack([torch.from_numpy(_grey(picture_as_seen(path, Appearance(1, 1))))[None] for path in paths])


def _grey(picture: Image.Image) -> np.ndarray:
    """Return uint8 (height, width), an array of its own."""
    return np.array(picture.convert("L"))
