"""Pictures of filters: what they answer to an image, and their numbers."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor


def responses(image: Tensor, found: Mapping[str, Tensor]) -> Figure:
    """Draw an image (h, w) beside responses to it by name, blue where negative, red where positive."""
    figure = Figure(figsize=(1.9 * (1 + len(found)), 2.2), layout="constrained", dpi=100)
    axes = figure.subplots(1, 1 + len(found))
    axes[0].imshow(image.numpy(), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("image", fontsize=8)
    for place, (name, response) in zip(axes[1:], found.items(), strict=True):
        limit = max(float(response.abs().max()), 1e-6)
        place.imshow(response.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        place.set_title(name, fontsize=8)
    for place in axes:
        place.set_axis_off()
    return figure


def kernels(found: Mapping[str, Tensor]) -> Figure:
    """Draw kernels (k, l) by name, with their numbers."""
    figure = Figure(figsize=(2.4 * len(found), 2.6), layout="constrained", dpi=100)
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    limit = 2 * max(max(float(each.abs().max()) for each in found.values()), 1e-6)  # pale enough to read numbers on
    for place, (name, kernel) in zip(axes, found.items(), strict=True):
        place.imshow(kernel.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        for row, values in enumerate(kernel.tolist()):
            for column, value in enumerate(values):
                place.text(column, row, f"{round(value, 3) + 0.0:.3f}", ha="center", va="center", fontsize=8)
        place.set_title(name, fontsize=8)
        place.set_axis_off()
    return figure
