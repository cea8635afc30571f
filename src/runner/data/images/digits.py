"""Digits: 1,797 handwritten digits that ship with scikit-learn, enlarged from 8×8 to 28×28."""

from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate

from runner.data.images.image import ImageDataModule
from runner.data.module import Source


class Digits(ImageDataModule):
    """uint8 (N, 1, image_size, image_size), white on black like MNIST; classes 0 to 9.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """

    def __init__(self, *, image_size: int = 28, **image: Any) -> None:
        super().__init__(image_size=image_size, **image)

    def load(self) -> Source:
        """Read from the installed scikit-learn; nothing is downloaded."""
        digits = load_digits()
        small = torch.from_numpy(digits.images).to(torch.float32).unsqueeze(1)
        return Source(
            inputs=enlarge(small, self.image_size),
            targets=torch.from_numpy(digits.target).to(torch.int64),
            class_names=tuple(str(name) for name in digits.target_names),
        )


def enlarge(images: Tensor, size: int) -> Tensor:
    """Convert float (N, 1, h, w) with values 0 to 16 to uint8 (N, 1, size, size), 0 to 255.

    Bicubic, because bilinear leaves the visible facets of the 8×8 grid; its overshoot is cut off.
    """
    enlarged = interpolate(images, size=(size, size), mode="bicubic", align_corners=False)
    return (enlarged * (255 / 16)).round().clamp(0, 255).to(torch.uint8)
