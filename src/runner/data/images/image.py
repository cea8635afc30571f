"""ImageDataModule: uint8 images in memory; scaled, augmented and normalised a batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from runner.data.images.appearance import Appearance, parse_colour
from runner.data.module import Batch, DataModule, Samples
from runner.data.standardize import Standardizer
from runner.errors import RunnerError

# Training images that an augmentation may look at.
SHOWN = 1000

Augment = Callable[[Tensor, Tensor], Batch]


class ImageDataModule(DataModule):
    """Raw inputs are uint8 (N, C, H, W); the network gets float32 (N, C, H, W), `(x / 255 - mean) / std`.

    `mean` and `std` are per channel, on the scale from 0 to 1. `augmentation` takes float batches on that scale,
    before normalisation, and their targets; it acts on training batches only.

    Args:
        fit: what makes a picture that is read from a file square, see `appearance.Appearance`.
        background: the colour behind transparent pixels and around padded pictures: a name, `#rrggbb` or three numbers.
    """

    kind: ClassVar[str] = "image"

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augment | None = None,
        fit: str = "crop",
        background: str | Sequence[int] = "white",
        **splitting: Any,
    ) -> None:
        super().__init__(**splitting)
        for name, values in {"mean": mean, "std": std}.items():
            if len(values) != channels:
                raise RunnerError(
                    f"data.{name} has {len(values)} values for {channels} channel(s). Give one for each channel."
                )
        self.channels, self.image_size, self.num_classes = channels, image_size, num_classes
        self.normalisation = Standardizer(mean, std, trailing=2)
        self.augmentation = augmentation
        self.appearance = Appearance(image_size, channels, fit, parse_colour(background))

    def setup(self, stage: str | None = None) -> None:
        """Set up as in DataModule; then check that the images are what the configuration declares."""
        super().setup(stage)
        found = len(self.class_names or ())
        if found != self.num_classes:
            raise RunnerError(
                f"data.num_classes is {self.num_classes}, but the data has {found} classes. "
                f"Set data.num_classes={found}."
            )

    def unit(self, inputs: Tensor) -> Tensor:
        """Convert uint8 (N, C, H, W) to float32 from 0 to 1."""
        return inputs.to(torch.float32).div_(255)

    def scale(self) -> Standardizer:
        """Return the normalisation."""
        return self.normalisation

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert uint8 (N, C, H, W) to normalised float32 (N, C, H, W)."""
        return self.normalisation.apply(self.unit(inputs))

    def fit_transform(self, training: Samples) -> None:
        """Compute nothing but what an augmentation wants to know of the training images."""
        fit = getattr(self.augmentation, "fit", None)
        if fit is not None:
            fit(lambda: training.spread(SHOWN).inputs)

    def training_batch(self, batch: Batch) -> Batch:
        """Scale, augment and normalise; targets may come back as soft labels float32 (N, num_classes)."""
        inputs, targets = self.unit(batch[0]), batch[1]
        if self.augmentation is not None:
            inputs, targets = self.augmentation(inputs, targets)
        return self.normalisation.apply(inputs), targets

    def read(self, paths: list[Path]) -> Tensor:
        """Read image files as uint8 (n, channels, image_size, image_size); raises RunnerError naming a bad file."""
        from runner.data.images.decode import in_silence, read_image

        with in_silence():
            return torch.stack([read_image(path, self.appearance) for path in paths])

    def intake(self) -> dict[str, Any] | None:
        """See DataModule.intake."""
        own = ImageDataModule
        if (type(self).read, type(self).transform, type(self).unit) != (own.read, own.transform, own.unit):
            return None
        seen = self.appearance
        return {
            "kind": "image",
            "size": seen.size,
            "channels": seen.channels,
            "fit": seen.fit,
            "background": list(seen.background),
            "ranges": {name: list(limits) for name, limits in seen.ranges.items()},
            "mean": self.normalisation.mean,
            "std": self.normalisation.std,
        }

    def keep_one_batch(self) -> None:
        """Keep one batch as in DataModule, and augment nothing any more."""
        super().keep_one_batch()
        self.augmentation = None

    def state_dict(self) -> dict[str, Any]:
        """Return class names, normalisation, and black and white of images of more than 8 bits."""
        ranges = {kind: list(limits) for kind, limits in self.appearance.ranges.items()}
        scale = {"mean": self.normalisation.mean, "std": self.normalisation.std}
        return {**super().state_dict(), **scale, **({"value_ranges": ranges} if ranges else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self.normalisation = Standardizer(state_dict["mean"], state_dict["std"], trailing=2)
        if "value_ranges" in state_dict:
            ranges = {kind: (limits[0], limits[1]) for kind, limits in state_dict["value_ranges"].items()}
            self.appearance = replace(self.appearance, ranges=ranges)
