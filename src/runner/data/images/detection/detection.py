"""DetectionDataModule: images with a box around each object."""

from pathlib import Path
from typing import Any, ClassVar

import torch

from runner.data.images.geometry.placement import placement, size_as_seen
from runner.data.images.image import ImageDataModule
from runner.data.module import Samples
from runner.errors import RunnerError

CORNERS = ("x1", "y1", "x2", "y2")


class DetectionDataModule(ImageDataModule):
    """Raw inputs are uint8 (N, C, H, W), targets float32 (N, most, 5): class, x1, y1, x2, y2; class -1 is padding.

    Corners are pixels from the left upper corner; the far corner of an image is (width, height). The network gets
    float32 (N, C, H, W), normalised as in `ImageDataModule`; the augmentation moves boxes along.
    """

    kind: ClassVar[str] = "detection"

    def fit_transform(self, training: Samples) -> None:
        """Compute nothing; see that there is something to find.

        Raises:
            RunnerError: no training image has an object.
        """
        super().fit_transform(training)
        if not bool((torch.as_tensor(training.targets)[:, :, 0] >= 0).any()):
            raise RunnerError("No training image has an object: there is nothing to learn. Look at the labels.")

    # What label files call each class; None: classes are counted from 1.
    ids: tuple[int, ...] | None = None

    def categories(self) -> dict[int, str]:
        """Return the name of each class by its id in label files, in the order of the classes."""
        names = self.class_names or ()
        return dict(zip(self.ids or range(1, len(names) + 1), names, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return what ImageDataModule does, and the classes' ids."""
        return {**super().state_dict(), **({"ids": list(self.ids)} if self.ids else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self.ids = tuple(state_dict["ids"]) if "ids" in state_dict else None

    def as_given(self, path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows with their corners in the pixels of the picture at `path`, as a person sees it."""
        place = placement(*size_as_seen(path), self.image_size, self.appearance.fit)
        moved = [place.back(tuple(row[key] for key in CORNERS)) for row in rows]
        return [
            {**row, **{key: round(value, 1) for key, value in zip(CORNERS, corners, strict=True)}}
            for row, corners in zip(rows, moved, strict=True)
        ]
