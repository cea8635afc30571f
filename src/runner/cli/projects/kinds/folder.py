"""A folder of images, one folder a class."""

from pathlib import Path

from runner.cli.projects.kinds.found import Found, batch_size, described, picture_sizes, side, size_line, weights
from runner.data.images.class_folders import image_layout
from runner.data.images.image_folder import ImageFolder
from runner.data.images.listing import list_images


def look(place: Path, target: str | None) -> Found:
    """Return what there is in a folder of images; raises RunnerError where it can't be trained on."""
    layout = image_layout(place)
    sizes = picture_sizes(list_images(layout).paths)
    size = side(sizes, 32, 128)
    pictures = ImageFolder(
        root=str(place),
        channels=3,
        image_size=size,
        num_classes=len(layout.classes),
        mean=[0.0] * 3,
        std=[1.0] * 3,
    )
    pictures.dry_run = True
    pictures.setup()
    return Found(
        [size_line(sizes), *described(pictures)],
        {
            "image_size": str(size),
            "batch_size": str(batch_size(pictures)),
            "more": weights(pictures),
        },
    )
