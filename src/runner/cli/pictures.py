"""What `predict` writes beside rows: drawn pictures, masks, and COCO's format."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

JPEG = (".jpg", ".jpeg")


class Written:
    """Draws and gathers, one picture of the user's after the other; called with what was found in it.

    Args:
        folder: where drawn pictures and masks go, None for nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.annotations: Any = None
        self.written: list[Path] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def __call__(
        self, path: Path, datamodule: Any, task: Any, outputs: Any, rows: Sequence[Sequence[dict[str, Any]]]
    ) -> None:
        """Take up what was found in a file.

        Raises:
            RunnerError: this kind of data has neither boxes nor masks.
        """
        if not hasattr(datamodule, "categories"):
            if self.folder is not None:
                raise RunnerError(f"--draw is for runs that find boxes or masks; this one's data is {datamodule.kind}.")
            return
        from runner.data.images.decode import picture_as_seen
        from runner.files.coco import CocoAnnotations

        if self.annotations is None:
            self.annotations = CocoAnnotations(datamodule.categories())
        picture = picture_as_seen(path, datamodule.appearance)
        self.annotations.add_picture(path.name, *picture.size)
        names = list(datamodule.categories().values())
        scores, masks = task.pixel_scores(outputs), task.object_masks(outputs)
        if masks is not None:
            objects = datamodule.objects_as_given(path, masks)
            self.annotations.add_boxes(rows[0], objects)
            self._draw(path, "overlay", lambda drawn: drawn.with_objects(picture, objects, rows[0], names))
            self._draw(path, "objects", lambda drawn: drawn.mask_image(objects))
            return
        if scores is None:
            self.annotations.add_boxes(rows[0])
            self._draw(path, "boxes", lambda drawn: drawn.with_boxes(picture, rows[0], names))
            return
        mask = datamodule.mask_as_given(path, scores[0])
        self.annotations.add_mask(mask, names)
        self._draw(path, "overlay", lambda drawn: drawn.with_mask(picture, mask, names))
        self._draw(path, "mask", lambda drawn: drawn.mask_image(mask))

    def _draw(self, path: Path, kind: str, draw: Callable[[Any], Any]) -> None:
        """Write `PICTURE_KIND.png`, or .jpg for what is drawn on a JPEG."""
        if self.folder is None:
            return
        from runner.files.writing import write_with
        from runner.tasks.figures import drawn

        lossy = kind not in ("mask", "objects") and path.suffix.lower() in JPEG
        place = self.folder / f"{path.stem}_{kind}{'.jpg' if lossy else '.png'}"
        number = 2
        while place in self.written:  # another folder's picture of the same name
            place, number = place.with_name(f"{path.stem}-{number}_{kind}{place.suffix}"), number + 1
        image = draw(drawn)
        write_with(place, lambda file: image.save(file, format="JPEG" if lossy else "PNG", quality=92))
        self.written.append(place)
