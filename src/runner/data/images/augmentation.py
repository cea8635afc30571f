"""Augmentation: what is done to a batch of training images, on the device, before normalisation."""

from collections.abc import Callable

from torch import Tensor, nn

from runner.data.images.affine import random_affine
from runner.data.images.colour import random_colour, random_erasing
from runner.errors import RunnerError

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Augmentation(nn.Module):
    """`(images, targets)` to the same: float (N, C, H, W) from 0 to 1, and their targets.

    Every image gets its own random parameters, drawn from torch's global generator on the CPU.

    Args:
        shift: up to so many pixels on either axis.
        rotate: up to so many degrees, either way.
        scale: size times 1 ± scale (0 ≤ scale < 1).
        shear: up to so many degrees, either way.
        flip: share of the images mirrored left to right; leave at 0 where a mirrored image means another thing,
            as with digits and letters.
        brightness, contrast, saturation: factor 1 ± the value.
        erase: share of the images that lose a rectangle.
        mix: `torchvision.transforms.v2.MixUp` or `CutMix`, or null; comes last and makes the targets soft labels
            float (N, num_classes).
    """

    def __init__(
        self,
        *,
        shift: float = 0.0,
        rotate: float = 0.0,
        scale: float = 0.0,
        shear: float = 0.0,
        flip: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        erase: float = 0.0,
        mix: Mix | None = None,
    ) -> None:
        super().__init__()
        self.geometry = {"shift": shift, "rotate": rotate, "scale": scale, "shear": shear, "flip": flip}
        self.colour = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.erase, self.mix = erase, mix
        _check({**self.geometry, **self.colour, "erase": erase})

    def forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Apply geometry, colour, erasing and mixing, in this order; what is set to 0 costs nothing."""
        if any(self.geometry.values()):
            images = random_affine(images, **self.geometry)
        images = random_colour(images, **self.colour)
        if self.erase:
            images = random_erasing(images, self.erase)
        return self.mix(images, targets) if self.mix is not None else (images, targets)


def _check(values: dict[str, float]) -> None:
    """Raise RunnerError for a value out of its range."""
    highest = {"scale": 1.0, "shear": 89.0, "rotate": 180.0, "flip": 1.0, "erase": 1.0}
    for name, value in values.items():
        limit = highest.get(name)
        too_much = limit is not None and (value >= limit if name == "scale" else value > limit)
        if value < 0 or too_much:
            upto = "" if limit is None else f" and {'below' if name == 'scale' else 'at most'} {limit:g}"
            raise RunnerError(f"augmentation.{name} must be at least 0{upto}, not {value}.")
