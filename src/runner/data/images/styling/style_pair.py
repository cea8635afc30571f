"""StylePair: two pictures, one for what is shown and one for how it is painted; scikit-learn's photographs or files."""

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from runner.data.images.appearance import Appearance
from runner.data.images.decode import picture_as_seen
from runner.data.module import DataModule, Samples, Source
from runner.errors import RunnerError

# Sides below this hold no texture: deep layers of a network see a handful of places.
SMALLEST = 32
# What scikit-learn's two photographs stand for.
PALACE, DAHLIA = 0, 1


class StylePair(DataModule):
    """Raw inputs uint8 (1, 3, H, W), the content; targets uint8 (1, 3, h, w), the style; the network gets 0 to 1.

    There is nothing to hold out: training, validation and test are the same one sample.

    Args:
        content_file, style_file: pictures of the user's; None for a photograph that ships with scikit-learn.
        image_size: each picture gets about as many pixels as a square of this side, in its own proportions.

    Attributes:
        shape: height and width of the content; None before it was read.
    """

    kind: ClassVar[str] = "style"

    def __init__(
        self, *, content_file: str | None, style_file: str | None, channels: int, image_size: int, **batches: Any
    ) -> None:
        super().__init__(**batches)
        if channels != 3:
            raise RunnerError(f"data.channels={channels}: networks that know style take red, green and blue: 3.")
        if image_size < SMALLEST:
            raise RunnerError(f"data.image_size={image_size}: style lies in textures, give it {SMALLEST} or more.")
        self.content_file, self.style_file, self.image_size = content_file, style_file, image_size
        self.shape: tuple[int, int] | None = None
        self.own_samples = self._refuse_prediction

    def load(self) -> Source:
        """Read and scale both pictures.

        Raises:
            RunnerError: a file is missing or no picture, or both are the same.
        """
        content = self._pixels(self.content_file, PALACE)
        style = self._pixels(self.style_file, DAHLIA)
        if torch.equal(content, style):
            raise RunnerError("data.content_file and data.style_file are the same picture, whose style it has already.")
        self.shape = (content.shape[1], content.shape[2])
        return Source(content[None], style[None])

    def divide(self, source: Source) -> dict[str, Samples]:
        """Return the one sample as every split."""
        one = torch.zeros(1, dtype=torch.int64)
        return {name: Samples(source.inputs, source.targets, one) for name in ("train", "val", "test")}

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert uint8 to float32 from 0 to 1."""
        return inputs.to(torch.float32).div_(255)

    def read(self, paths: list[Path]) -> Tensor:
        """Raise RunnerError: what was learned is one picture, which answers nothing about others."""
        raise self._refusal()

    def state_dict(self) -> dict[str, Any]:
        """Return the content's shape as well."""
        return {**super().state_dict(), "shape": list(self.shape or ())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the content's shape."""
        super().load_state_dict(state_dict)
        height, width = state_dict["shape"]
        self.shape = (int(height), int(width))

    def _pixels(self, file: str | None, shipped: int) -> Tensor:
        if file is None:
            picture = Image.fromarray(load_sample_images().images[shipped])
        elif Path(file).is_file():
            picture = picture_as_seen(Path(file), Appearance(self.image_size, 3))
        else:
            raise RunnerError(f"No such image: {file}. Check data.{('content', 'style')[shipped]}_file.")
        scaled = picture.resize(fitted(*picture.size, self.image_size), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(scaled)).permute(2, 0, 1).contiguous()

    def _refuse_prediction(self) -> Tensor:
        raise self._refusal()

    def _refusal(self) -> RunnerError:
        return RunnerError(
            "The network of this run is one picture (artifacts/picture.png), which says nothing about others. Paint "
            "another in a run of its own: experiment=style data.content_file=PHOTO data.style_file=PAINTING"
        )


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height of the same proportions with about `side` squared pixels: multiples of 8, 16 at least."""
    scale = side / math.sqrt(width * height)
    return max(16, round(width * scale / 8) * 8), max(16, round(height * scale / 8) * 8)
