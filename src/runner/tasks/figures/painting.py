"""Pictures in a row: a painting beside what it was made of, and as it came about."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor


def row(pictures: Mapping[str, Tensor], title: str) -> Figure:
    """Draw pictures float (3, h, w) from 0 to 1, in their own sizes, by name."""
    height = 2.6
    widths = [each.shape[2] / each.shape[1] for each in pictures.values()]
    figure = Figure(figsize=(height * sum(widths), height + 0.5), layout="constrained", dpi=100)
    figure.suptitle(title, fontsize=8)
    places = figure.subplots(1, len(pictures), squeeze=False, width_ratios=widths)[0]
    for place, (name, picture) in zip(places, pictures.items(), strict=True):
        place.imshow(picture.permute(1, 2, 0).numpy())
        place.set_title(name, fontsize=8)
        place.set_axis_off()
    return figure
