"""Pictures with boxes, as COCO JSON, YOLO text or VOC XML."""

from pathlib import Path

from runner.cli.projects.kinds.found import Found, batch_size, described, picture_sizes, side, size_line
from runner.data.images.detection.box_folder import BoxFolder
from runner.data.images.detection.layouts import labels_of

# Fewer pictures need more epochs to reach the same number of steps.
PICTURES, LEAST_EPOCHS, MOST_EPOCHS = 30_000, 15, 60


def look(place: Path, target: str | None) -> Found:
    """Return what there is in pictures with boxes; raises RunnerError where they can't be trained on."""
    labels = labels_of(place)
    sizes = picture_sizes([picture.path for picture in labels.pictures])
    size = side(sizes, 64, 320)
    boxes = BoxFolder(
        root=str(place),
        channels=3,
        image_size=size,
        num_classes=len(labels.names),
        mean=[0.0] * 3,
        std=[1.0] * 3,
        fit="pad",
        test_fraction=0.1,
    )
    boxes.dry_run = True
    boxes.setup()
    epochs = PICTURES // max(len(boxes.splits["train"]), 1)
    return Found(
        [size_line(sizes), *described(boxes)],
        {
            "image_size": str(size),
            "batch_size": str(min(batch_size(boxes), 16)),
            "epochs": str(max(LEAST_EPOCHS, min(MOST_EPOCHS, epochs))),
        },
    )
