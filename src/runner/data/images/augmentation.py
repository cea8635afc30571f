"""Augmentation: what is done to a batch of training images, on the device, before normalisation."""

from collections.abc import Callable

from torch import Tensor, nn

from runner.data.images.colour import random_colour, random_erasing
from runner.data.images.geometry.affine import move_images, move_targets, random_matrices
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

# Dimensions of a batch of images.
IMAGE = 4

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Augmentation(nn.Module):
    """`(images, targets)` to the same: float (N, C, H, W) from 0 to 1, and their targets.

    Inputs may be a tuple or dict of tensors: all images (N, C, H, W) among them are moved by the same geometry, the
    first decides its size. Boxes and masks among the targets move along, see `affine.move_targets`; a mask is told by
    the size of its image, and classes and all else stay. Colour and erasing change every image on its own.

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

    def forward(self, images: Nested, targets: Nested) -> tuple[Nested, Nested]:
        """Apply geometry, colour, erasing and mixing, in this order; what is set to 0 costs nothing."""
        if any(self.geometry.values()):
            images, targets = self.move(images, targets)
        images = on_images(lambda each: random_colour(each, **self.colour), images)
        if self.erase:
            images = on_images(lambda each: random_erasing(each, self.erase), images)
        if self.mix is None:
            return images, targets
        if not (nested.is_single(images) and nested.is_single(targets)) or is_place(targets):
            raise RunnerError(
                "augmentation.mix is for one image with one class, not for boxes, masks or several inputs."
            )
        return self.mix(images, targets)

    def move(self, images: Nested, targets: Nested) -> tuple[Nested, Nested]:
        """Return both moved by one random map for each sample."""
        first = next(each for each in nested.tensors(images) if each.dim() == IMAGE)
        size = (first.shape[2], first.shape[3])
        matrices = random_matrices(len(first), size, **self.geometry)
        return on_images(lambda each: move_images(each, matrices), images), move_targets(targets, matrices, size)


def on_images(change: Callable[[Tensor], Tensor], inputs: Nested) -> Nested:
    """Return `inputs` with every image (N, C, H, W) among them changed."""
    return nested.map_tensors(lambda each: change(each) if each.dim() == IMAGE else each, inputs)


def is_place(targets: Tensor) -> bool:
    """Return whether targets say where something is: boxes (N, most, 5) or masks (N, H, W)."""
    return targets.dim() > 2


def _check(values: dict[str, float]) -> None:
    """Raise RunnerError for a value out of its range."""
    highest = {"scale": 1.0, "shear": 89.0, "rotate": 180.0, "flip": 1.0, "erase": 1.0}
    for name, value in values.items():
        limit = highest.get(name)
        too_much = limit is not None and (value >= limit if name == "scale" else value > limit)
        if value < 0 or too_much:
            upto = "" if limit is None else f" and {'below' if name == 'scale' else 'at most'} {limit:g}"
            raise RunnerError(f"augmentation.{name} must be at least 0{upto}, not {value}.")
