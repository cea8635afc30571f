"""Figures of embeddings: the ROC of all pairs, their distances, and pairs of images with what was said of them."""

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve
from torch import Tensor

from runner.tasks.figures.plots import BLUE, GREEN, GREY, ORANGE, RED, tiles, whole

# Pairs of images in a row.
ACROSS = 4


def roc(distances: Tensor, same: Tensor, threshold: float) -> Figure:
    """Draw true over false accepts of pairs, with the threshold of validation on it.

    Args:
        distances: float (n,), of every pair once.
        same: bool (n,), whether both are of one class; both kinds are there.
    """
    false, true, _ = roc_curve(same.numpy(), -distances.numpy(), drop_intermediate=True)
    area = float(np.trapezoid(true, false))
    equal = float(false[np.abs(false + true - 1).argmin()])
    at = [float((distances[kind] < threshold).float().mean()) for kind in (~same, same)]
    figure = Figure(figsize=(5.4, 5), layout="constrained", dpi=100)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance")
    axes.plot(false, true, color=BLUE, label=f"AUC {area:.4f}, equal error rate {equal:.1%}")
    axes.scatter(*at, color=ORANGE, zorder=3, label=f"below {threshold:.3g}: {at[1]:.1%} true, {at[0]:.1%} false")
    axes.set(xlabel="pairs of two classes accepted", ylabel="pairs of one class accepted", aspect="equal")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=f"{len(same):,} pairs")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def distance_histogram(distances: Tensor, same: Tensor, threshold: float) -> Figure:
    """Draw how far pairs of one class and pairs of two lie apart; arguments as for `roc`."""
    figure = Figure(figsize=(6.4, 4), layout="constrained", dpi=100)
    axes = figure.add_subplot()
    edges = np.linspace(0, max(float(distances.max()), 1e-6), 61).tolist()
    for kind, colour, label in ((same, BLUE, "of one class"), (~same, ORANGE, "of two classes")):
        axes.hist(distances[kind].numpy(), edges, density=True, alpha=0.6, color=colour, label=label)
    axes.axvline(threshold, color=GREY, linestyle="--", linewidth=1, label=f"threshold {threshold:.3g}")
    axes.set(xlabel="distance", ylabel="density", yticks=[])
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def judged_pairs(images: Tensor, distances: Tensor, labels: Tensor, threshold: float) -> Figure:
    """Draw pairs of images with their distance, green where the threshold is right: of one class, then of two.

    The first row of each is the hardest, the second lies evenly from the easiest on. An image is in one pair of a row
    at most.

    Args:
        images: (n, 1 or 3, h, w) from 0 to 1.
        distances: float (n, n).
        labels: int64 (n,).
    """
    first, second = torch.triu_indices(len(labels), len(labels), 1)
    apart, same = distances[first, second], labels[first] == labels[second]
    chosen: list[int] = []
    for kind, hardest_last in ((same, True), (~same, False)):
        places = kind.nonzero().squeeze(1)
        order = places[apart[places].argsort(descending=hardest_last)].tolist()
        even = [order[(2 * step + 1) * len(order) // (2 * ACROSS)] for step in reversed(range(ACROSS))] if order else []
        chosen += [*apart_from_each_other(order, first, second), *even]
    shown = torch.stack([images[each[chosen]] for each in (first, second)], 1).flatten(0, 1)
    axes = tiles(shown, columns=2 * ACROSS, caption=0.36)
    for index, place in enumerate(chosen):
        left, _, _, top = axes.images[2 * index].get_extent()
        right = axes.images[2 * index + 1].get_extent()[1]
        colour = GREEN if bool(apart[place] < threshold) == bool(same[place]) else RED
        text = f"{'one class' if same[place] else 'two classes'}: {float(apart[place]):.3f}"
        axes.plot([left, right], [top - 0.03] * 2, color=colour, linewidth=2)
        axes.text((left + right) / 2, top - 0.05, text, fontsize=9, color=colour, ha="center", va="bottom")
    return whole(axes)


def apart_from_each_other(order: list[int], first: Tensor, second: Tensor) -> list[int]:
    """Return the first pairs of an order that share no image."""
    seen: set[int] = set()
    found: list[int] = []
    for place in order:
        ends = {int(first[place]), int(second[place])}
        if not ends & seen:
            seen |= ends
            found.append(place)
        if len(found) == ACROSS:
            break
    return found
