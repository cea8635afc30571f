"""Figures as pure functions: numbers in, a matplotlib Figure out; nothing here opens a window or keeps state."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

BLUE, ORANGE, RED, GREEN, GREY = "#2a6fbb", "#e08214", "#c0392b", "#2e8b57", "#888888"
# Above these the numbers in the cells, or the names of all classes, could not be read.
CLASSES_WITH_COUNTS, CLASSES_WITH_NAMES, BARS = 20, 60, 100
LONGEST_NAME, MARKED_CROSSINGS = 18, 4
# Inches from one image of a grid to the next, and of the longer side of an image.
CELL, TILE = 1.9, 1.78
# Inches that a character takes at one point of its font's size; and a title, an axis' name with its numbers, an edge.
CHARACTER, TITLE, NAMED, EDGE = 0.009, 0.36, 0.58, 0.12


def render(figure: Figure) -> np.ndarray:
    """Return the figure as pixels: uint8 (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def chart(size: tuple[float, float], dpi: int, left: float = 0.75, bottom: float = NAMED, right: float = EDGE) -> Axes:
    """Return the axes of a new figure, with margins in inches and room for a title.

    Known margins: half the time of drawing goes to where matplotlib looks for them ("constrained").
    """
    width, height = size
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + TITLE) / height)
    return Figure(figsize=size, dpi=dpi).add_axes(box)


def wide(labels: Sequence[str], points: float) -> float:
    """Return about how many inches the longest label takes at a font's size, with a tick beside it."""
    return CHARACTER * points * max(map(len, labels), default=0) + 0.2


def confusion_counts(true: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Return int64 (num_classes, num_classes): the samples of class [row] that were taken for class [column]."""
    pairs = true.long() * num_classes + predicted.long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusion_matrix(counts: Tensor, names: Sequence[str]) -> Figure:
    """Draw true classes down, predicted across; colour is the share of the true class, numbers are counts."""
    n = len(names)
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    size = min(max(4.5, 0.5 * n + 2), 11.0)
    every = math.ceil(n / CLASSES_WITH_NAMES)
    shown, font = range(0, n, every), 9 if n <= CLASSES_WITH_COUNTS else 7
    labels = [shorten(names[index]) for index in shown]
    upright = max(map(len, labels)) > 2 and n > 3
    left, down = wide(labels, font) + 0.25, (wide(labels, font) if upright else 0.25) + 0.25
    axes = chart((size + 1, size), 110, left, down, right=1.2)
    image = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    legend = whole(axes).add_axes((1 - 0.95 / (size + 1), 0.2, 0.16 / (size + 1), 0.6))
    whole(axes).colorbar(image, cax=legend, label="share of the true class")
    axes.set_xticks(shown, labels, rotation=90 if upright else 0, fontsize=font)
    axes.set_yticks(shown, labels, fontsize=font)
    axes.set(xlabel="predicted", ylabel="true", title=f"{int(counts.trace())} of {int(counts.sum())} right")
    if n <= CLASSES_WITH_COUNTS:
        for row, column in counts.nonzero().tolist():
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = str(int(counts[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8 if n <= 12 else 7)
    return whole(axes)


def per_class_accuracy(counts: Tensor, names: Sequence[str]) -> Figure:
    """Draw one bar a class, with its number of samples; of very many classes the worst, worst first."""
    totals = counts.sum(1)
    accuracy = counts.diagonal() / totals.clamp(min=1)
    order = totals.nonzero().flatten()
    title = f"accuracy of each class (mean {float(accuracy[order].mean()) if len(order) else 0:.3f})"
    if len(order) > BARS:
        order = order[accuracy[order].argsort(stable=True)][:BARS]
        title = f"accuracy of the {BARS} worst of {len(names)} classes"
    rows = range(len(order))
    labels = [shorten(names[index]) for index in order.tolist()]
    axes = chart((7, max(2.0, 0.24 * len(order) + 1)), 90, wide(labels, 8), bottom=0.3)
    axes.barh(rows, accuracy[order].numpy(), color=BLUE, height=0.7)
    axes.set_yticks(rows, labels, fontsize=8)
    axes.set_ylim(max(len(order), 1) - 0.4, -0.6)
    axes.set(xlim=(0, 1.18), xticks=[0, 0.2, 0.4, 0.6, 0.8, 1], title=title)
    for row, index in enumerate(order.tolist()):
        value = float(accuracy[index])
        axes.text(value + 0.01, row, f"{value:.3f}  n = {int(totals[index])}", va="center", fontsize=7, color="#333333")
    axes.spines[["top", "right"]].set_visible(False)
    return whole(axes)


def top_confusions(counts: Tensor, names: Sequence[str], count: int = 12) -> Figure:
    """Draw the most frequent mistakes, most frequent first, each with its share of the true class."""
    n = len(names)
    wrong = counts.clone()
    wrong.fill_diagonal_(0)
    order = wrong.flatten().argsort(descending=True, stable=True)[:count].tolist()
    pairs = [(index // n, index % n) for index in order if wrong[index // n, index % n] > 0]
    numbers = [int(wrong[pair]) for pair in pairs]
    labels = [f"{shorten(names[true])} → {shorten(names[taken])}" for true, taken in pairs]
    axes = chart((7, max(2.0, 0.3 * len(pairs) + 1)), 90, max(wide(labels, 8), 0.4))
    axes.barh(range(len(pairs)), numbers, color=ORANGE, height=0.7)
    axes.set_yticks(range(len(pairs)), labels, fontsize=8)
    axes.set_ylim(max(len(pairs), 1) - 0.4, -0.6)
    axes.set(xlabel="samples", title=f"{int(wrong.sum())} mistakes of {int(counts.sum())}: true → predicted")
    for row, ((true, _), number) in enumerate(zip(pairs, numbers, strict=True)):
        share = number / int(counts[true].sum())
        axes.text(number, row, f" {number} ({share:.0%} of {shorten(names[true])})", va="center", fontsize=7)
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return whole(axes)


def right_and_wrong(images: Tensor | None, true: Tensor, predicted: Tensor, names: Sequence[str]) -> dict[str, Figure]:
    """Draw grids `samples_right` and `samples_wrong` of the first images (n, 1 or 3, h, w) from 0 to 1, if any."""
    if images is None:
        return {}
    right = true[: len(images)] == predicted[: len(images)]
    drawn = {}
    for name, mask in (("samples_right", right), ("samples_wrong", ~right)):
        chosen = mask.nonzero().flatten()
        if len(chosen):
            drawn[name] = sample_grid(images[chosen], true[chosen], predicted[chosen], names)
    return drawn


def sample_grid(images: Tensor, true: Tensor, predicted: Tensor, names: Sequence[str], count: int = 16) -> Figure:
    """Draw the first `count` images with their class; where the prediction differs, in red, with both."""
    images = images[:count]
    axes = tiles(images, columns=min(len(images), 4), caption=0.36)
    for index, (label, guess) in enumerate(zip(true[:count].tolist(), predicted[:count].tolist(), strict=True)):
        right = label == guess
        caption = shorten(names[label]) if right else f"{shorten(names[guess])}\ntrue: {shorten(names[label])}"
        left, _, _, top = axes.images[index].get_extent()
        middle = left + (axes.images[index].get_extent()[1] - left) / 2
        axes.text(middle, top - 0.03, caption, fontsize=8, color=GREEN if right else RED, ha="center", va="bottom")
    return whole(axes)


def image_grid(images: Tensor, count: int = 16) -> Figure:
    """Draw the first `count` images (n, 1 or 3, h, w) from 0 to 1, without words."""
    shown = min(count, len(images))
    return whole(tiles(images[:count], columns=math.ceil(math.sqrt(shown))))


def tiles(images: Tensor, columns: int, caption: float = 0.0) -> Axes:
    """Draw images (n, 1 or 3, h, w) from 0 to 1 side by side, in inches, with room for a caption above each.

    All in one axes: an axes an image, laid out by matplotlib, takes a second and more to draw.
    """
    width, height = CELL * columns, (CELL + caption) * math.ceil(len(images) / columns)
    axes = Figure(figsize=(width, height), dpi=100).add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    down, across = (TILE * size / max(images.shape[-2:]) / 2 for size in images.shape[-2:])
    for index, image in enumerate(images):
        x = CELL * (index % columns + 0.5)
        y = (CELL + caption) * (index // columns + 1) - CELL / 2
        pixels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
        extent = (x - across, x + across, y + down, y - down)
        axes.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto", extent=extent)
    axes.set(xlim=(0, width), ylim=(height, 0))
    return axes


def whole(axes: Axes) -> Figure:
    """Return the figure that an axes is in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def regression_scatter(true: Tensor, predicted: Tensor) -> Figure:
    """Draw predicted over true values (n,), with the diagonal on which they would be equal."""
    axes = chart((5.5, 5.2), 100, left=0.95)
    both = torch.cat([true, predicted])
    low, high = float(both.min()), float(both.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, linestyle="--", linewidth=1, label="equal")
    axes.scatter(true.numpy(), predicted.numpy(), s=16, alpha=0.6, color=BLUE, edgecolors="none", label="sample")
    rmse = float((predicted.double() - true.double()).square().mean().sqrt())
    axes.set(xlim=limits, ylim=limits, xlabel="true", ylabel="predicted", aspect="equal")
    axes.locator_params(nbins=6)
    axes.set_title(f"{len(true)} samples, RMSE {rmse:.4g}")
    axes.legend(loc="upper left", fontsize=8)
    return whole(axes)


def fitted_line(x: Tensor, y: Tensor, points_x: Tensor, points_y: Tensor) -> Figure:
    """Draw the network's output y over x (k,) through the samples (n,)."""
    axes = chart((6, 4), 100, left=0.95)
    axes.plot(x.numpy(), y.numpy(), color=ORANGE, label="network")
    axes.scatter(points_x.numpy(), points_y.numpy(), s=24, color=BLUE, zorder=3, label="sample")
    axes.set(xlabel="x", ylabel="y")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    return whole(axes)


def probability_curve(
    x: Tensor, probability: Tensor, points_x: Tensor, points_y: Tensor, names: Sequence[str]
) -> Figure:
    """Draw the probability of the second class over x (k,), where it crosses 0.5, and the samples (n,) at 0 and 1."""
    axes = chart((6, 4), 100, left=0.95)
    axes.plot(x.numpy(), probability.numpy(), color=ORANGE, label=f"probability of {names[1]}")
    axes.scatter(points_x.numpy(), points_y.numpy(), s=24, color=BLUE, zorder=3, label="sample")
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    for place in crossings(x, probability)[:MARKED_CROSSINGS]:
        axes.axvline(place, color=RED, linestyle=":", linewidth=1.2, label=f"0.5 at x = {place:.3g}")
    axes.set(xlabel="x", ylabel="probability", ylim=(-0.06, 1.06))
    axes.legend(loc="center left", fontsize=8)
    axes.grid(alpha=0.3)
    return whole(axes)


def crossings(x: Tensor, y: Tensor, level: float = 0.5) -> list[float]:
    """Return the x where the line through the points (k,), x ascending, crosses `level`, by linear interpolation."""
    above = y.double() - level
    found = []
    for index in ((above[:-1] < 0) != (above[1:] < 0)).nonzero().flatten().tolist():
        share = float(above[index] / (above[index] - above[index + 1]))
        found.append(float(x[index]) + share * float(x[index + 1] - x[index]))
    return found


def shorten(name: str) -> str:
    """Shorten a class name for an axis; the middle goes, since names often differ at their end."""
    return name if len(name) <= LONGEST_NAME else f"{name[:9]}…{name[-(LONGEST_NAME - 10) :]}"


def layer_errors(layers: Sequence[str], sqnr_db: Sequence[float]) -> Figure:
    """Draw the signal to quantization noise of each layer's output in the int8 program, in dB; higher is better.

    Errors add up from layer to layer (below 20 dB a classifier usually begins to suffer).
    """
    axes = chart((6.3, 1.0 + 0.28 * len(layers)), 110, wide(layers, 8), right=0.4)
    places = range(len(layers))
    axes.barh(places, sqnr_db, color=BLUE)
    for place, value in zip(places, sqnr_db, strict=True):
        axes.text(value, place, f" {value:.1f}", va="center", fontsize=8)
    axes.set_yticks(places, layers, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("output SQNR [dB]")
    axes.spines[["top", "right"]].set_visible(False)
    return whole(axes)


def pruning_rounds(
    relative: Mapping[str, Sequence[float]], metrics: Mapping[str, Sequence[float]], name: str
) -> Figure:
    """Draw what pruning cost and saved, round after round, the dense network first.

    Args:
        relative: costs as shares of the dense network's, by what they are.
        metrics: values of the monitored metric, by when they were measured; `name` is what it is called.
    """
    figure = Figure(figsize=(6.3, 5.2), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    for (label, values), (color, style) in zip(metrics.items(), ((GREY, "v:"), (BLUE, "o-")), strict=False):
        upper.plot(values, style, color=color, label=label)
    upper.set_ylabel(name)
    looks = ((ORANGE, "s-"), (BLUE, "o--"), (GREEN, "^-"), (RED, "d-"))
    for (label, values), (color, style) in zip(relative.items(), looks, strict=False):
        lower.plot(values, style, color=color, label=label, alpha=0.8)
    lower.set_ylim(0, max(1.05, *(1.05 * value for values in relative.values() for value in values)))
    lower.set_ylabel("share of the dense network's")
    lower.set_xlabel("round")
    count = len(next(iter(relative.values())))
    lower.set_xticks(range(count), ["dense", *map(str, range(1, count))])
    for axes in (upper, lower):
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
