"""Augmentation: what is done to a batch of training images, on the device, before normalisation."""

from collections.abc import Callable

from torch import Tensor, nn

from runner.data.images.geometry.affine import (
    composed,
    move_images,
    move_targets,
    random_crops,
    random_fields,
    random_matrices,
)
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

# Dimensions of a batch of images.
IMAGE = 4
SHARES = ("flip", "erase", "mosaic", "area", "channels")
# A warp may move points by this part of their distance.
FOLDS = 4

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
        crop: whole pixels that a cut-out moves by, on either axis, as if the image had a black border as wide.
        area: least share of the image's area that is cut out and resized to the whole; 1 for all of it.
        aspect: by how much the proportions of what is cut out differ, at most; 1 for not at all.
        warp: local displacements up to so many pixels, smooth between points `warp_spacing` pixels apart; at most a
            quarter of that, or the image would fold.
        mosaic: share of the images that are put together from four of the batch; for boxes and masks.
        brightness, contrast, saturation: factor 1 ± the value.
        channels: red, green and blue each plus or minus up to this much, of 1.
        pca: standard deviation of the amounts by which the main directions of the training pixels' colours are added
            (AlexNet: 0.1); see `colour.pca_shift`.
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
        crop: int = 0,
        area: float = 1.0,
        aspect: float = 1.0,
        warp: float = 0.0,
        warp_spacing: float = 16.0,
        mosaic: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        channels: float = 0.0,
        pca: float = 0.0,
        erase: float = 0.0,
        mix: Mix | None = None,
    ) -> None:
        super().__init__()
        self.geometry = {"shift": shift, "rotate": rotate, "scale": scale, "shear": shear, "flip": flip}
        self.colour = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.crops = {"padding": int(crop), "area": area, "aspect": aspect}
        self.warp = {"pixels": warp, "spacing": warp_spacing}
        self.mosaic, self.channels, self.pca = mosaic, channels, pca
        self.erase, self.mix = erase, mix
        self.colours: tuple[Tensor, Tensor] | None = None
        shares = {"erase": erase, "mosaic": mosaic, "area": area, "aspect": aspect}
        _check({**self.geometry, **self.colour, **shares, "crop": crop, "warp": warp, "channels": channels, "pca": pca})
        if warp * FOLDS > warp_spacing:
            raise RunnerError(
                f"augmentation.warp={warp}: points augmentation.warp_spacing={warp_spacing} pixels apart move by at "
                f"most {warp_spacing / FOLDS:g}, or the image folds. Set another of both."
            )

    def fit(self, images: Callable[[], Tensor]) -> None:
        """Find the main directions of the training images' colours, where `pca` needs them.

        `images` returns some of them, uint8 (n, C, H, W).
        """
        if self.pca:
            from runner.data.images.colour import principal_colours

            self.colours = principal_colours(images())

    def forward(self, images: Nested, targets: Nested) -> tuple[Nested, Nested]:
        """Apply mosaic, geometry, colour, erasing and mixing, in this order; what is set to 0 costs nothing."""
        if self.mosaic:
            images, targets = self.put_together(images, targets)
        if self.moves:
            images, targets = self.move(images, targets)
        if self.recolours:
            images = on_images(self.recoloured, images)
        if self.erase:
            from runner.data.images.colour import random_erasing

            images = on_images(lambda each: random_erasing(each, self.erase), images)
        if self.mix is None:
            return images, targets
        if not (nested.is_single(images) and nested.is_single(targets)) or is_place(targets):
            raise RunnerError(
                "augmentation.mix is for one image with one class, not for boxes, masks or several inputs."
            )
        return self.mix(images, targets)

    @property
    def moves(self) -> bool:
        """Whether images are moved at all."""
        return any(self.geometry.values()) or self.cuts or bool(self.warp["pixels"])

    @property
    def cuts(self) -> bool:
        """Whether a part of an image is cut out."""
        return self.crops != {"padding": 0, "area": 1.0, "aspect": 1.0}

    @property
    def recolours(self) -> bool:
        """Whether colours are changed at all."""
        return any(self.colour.values()) or bool(self.channels) or self.colours is not None

    def recoloured(self, images: Tensor) -> Tensor:
        """Return images float (N, C, H, W) from 0 to 1 in other colours."""
        from runner.data.images.colour import pca_shift, random_colour, shift_channels

        images = random_colour(images, **self.colour)
        if self.channels:
            images = shift_channels(images, self.channels)
        return images if self.colours is None else pca_shift(images, *self.colours, self.pca)

    def put_together(self, images: Nested, targets: Nested) -> tuple[Nested, Nested]:
        """Return both put together from four of the batch each.

        Raises:
            RunnerError: the targets say nothing of places: of four images put together the class is not one.
        """
        if nested.is_single(targets) and not is_place(targets):
            raise RunnerError("augmentation.mosaic is for boxes and masks, not for one class an image.")
        from runner.data.images.geometry.mosaic import Mosaic

        first = next(each for each in nested.tensors(images) if each.dim() == IMAGE)
        mosaic = Mosaic(len(first), (first.shape[2], first.shape[3]), self.mosaic)
        return on_images(mosaic.of_images, images), mosaic.of_targets(targets)

    def move(self, images: Nested, targets: Nested) -> tuple[Nested, Nested]:
        """Return both moved by one random map for each sample."""
        first = next(each for each in nested.tensors(images) if each.dim() == IMAGE)
        size = (first.shape[2], first.shape[3])
        matrices = random_matrices(len(first), size, **self.geometry)
        if self.cuts:
            matrices = composed(matrices, random_crops(len(first), size, **self.crops))
        field = random_fields(len(first), size, **self.warp) if self.warp["pixels"] else None
        moved = on_images(lambda each: move_images(each, matrices, field), images)
        return moved, move_targets(targets, matrices, size, field)


def on_images(change: Callable[[Tensor], Tensor], inputs: Nested) -> Nested:
    """Return `inputs` with every image (N, C, H, W) among them changed."""
    return nested.map_tensors(lambda each: change(each) if each.dim() == IMAGE else each, inputs)


def is_place(targets: Tensor) -> bool:
    """Return whether targets say where something is: boxes (N, most, 5) or masks (N, H, W)."""
    return targets.dim() > 2


def _check(values: dict[str, float]) -> None:
    """Raise RunnerError for a value out of its range."""
    highest = {"scale": 1.0, "shear": 89.0, "rotate": 180.0, **dict.fromkeys(SHARES, 1.0)}
    if values["area"] == 0:
        raise RunnerError("augmentation.area must be above 0: nothing would be left of an image.")
    if values["aspect"] < 1:
        raise RunnerError(f"augmentation.aspect must be at least 1, not {values['aspect']}.")
    for name, value in values.items():
        limit = highest.get(name)
        too_much = limit is not None and (value >= limit if name == "scale" else value > limit)
        if value < 0 or too_much:
            upto = "" if limit is None else f" and {'below' if name == 'scale' else 'at most'} {limit:g}"
            raise RunnerError(f"augmentation.{name} must be at least 0{upto}, not {value}.")
