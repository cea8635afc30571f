"""Pictures of graphs, as pure functions: edges and classes in, a matplotlib Figure out; drawn by NetworkX."""

import math
from collections.abc import Sequence

import matplotlib
import networkx as nx
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from runner.tasks.figures.plots import BLUE, GREY, RED, shorten

LAYOUT_SEED = 0
# Larger graphs are shown by the neighbourhood of one node: names and edges could not be told apart.
LARGEST_DRAWN = 60
NEIGHBOURS_DRAWN = 5
EDGES_WITH_WEIGHTS = 80
COLOURS = matplotlib.colormaps["tab10"].colors + matplotlib.colormaps["Set3"].colors  # type: ignore[attr-defined]


def labelled_graph(
    edge_index: Tensor,
    true: Tensor,
    predicted: Tensor,
    names: Sequence[str],
    trained: Tensor,
    edge_weight: Tensor | None = None,
) -> Figure:
    """Draw nodes with number and predicted class as colour; a wrong one has a red ring and its true class beside it.

    Training nodes are squares. The layout depends on nothing but the graph. Of a large graph the neighbourhood of a
    node that is predicted wrong (else of the first) is shown.

    Args:
        edge_index: int64 (2, edges), both directions of undirected edges.
        true, predicted: int64 (nodes,).
        names: by class index.
        trained: int64, numbers of the training nodes.
        edge_weight: float (edges,), written on the edges where there are few.
    """
    graph = to_networkx(edge_index, len(true), edge_weight)
    wrong = (true != predicted).nonzero().flatten().tolist()
    shown = graph if len(graph) <= LARGEST_DRAWN else neighbourhood(graph, wrong[0] if wrong else 0)
    figure = Figure(figsize=(10, 8), layout="constrained", dpi=100)
    axes = figure.add_subplot()
    axes.axis("off")
    place = nx.spring_layout(shown, seed=LAYOUT_SEED, k=2.2 / math.sqrt(len(shown)), iterations=200, weight=None)
    draw_edges(axes, shown, place)
    draw_nodes(axes, shown, place, true.tolist(), predicted.tolist(), set(trained.tolist()), names)
    part = "" if len(shown) == len(graph) else f"{len(shown)} of {len(graph):,} nodes around one; "
    right = float((true == predicted).float().mean()) if len(true) else 1.0
    axes.set_title(f"{part}{right:.1%} of all nodes right\n{summary(edge_index, true)}", fontsize=9)
    classes = sorted({int(predicted[node]) for node in shown} | {int(true[node]) for node in shown})
    axes.legend(handles=legend(classes, names), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    return figure


def to_networkx(edge_index: Tensor, nodes: int, edge_weight: Tensor | None = None) -> nx.DiGraph:
    """Return a directed graph with nodes 0, 1, …; `weight` on its edges where given."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(nodes))
    weights = [{}] * edge_index.shape[1] if edge_weight is None else [{"weight": each} for each in edge_weight.tolist()]
    graph.add_edges_from((*pair, weight) for pair, weight in zip(edge_index.T.tolist(), weights, strict=True))
    return graph


def neighbourhood(graph: nx.DiGraph, centre: int) -> nx.DiGraph:
    """Return at most `LARGEST_DRAWN` nodes near `centre`, whatever way edges point; of a hub's neighbours only some."""
    ties, kept, frontier = graph.to_undirected(as_view=True), [centre], [centre]
    while frontier and len(kept) < LARGEST_DRAWN:
        found: list[int] = []
        for node in frontier:
            new = sorted(set(ties[node]) - {*kept, *found})
            generator = np.random.default_rng((LAYOUT_SEED, node))
            found += generator.permutation(new).tolist()[:NEIGHBOURS_DRAWN]
        frontier = found[: LARGEST_DRAWN - len(kept)]
        kept += frontier
    return graph.subgraph(sorted(kept))


def draw_edges(axes: Axes, graph: nx.DiGraph, place: dict[int, np.ndarray]) -> None:
    """Draw lines where both directions are there, arrows elsewhere; weights where few edges have one."""
    both = [(source, target) for source, target in graph.edges if graph.has_edge(target, source)]
    one = [pair for pair in graph.edges if not graph.has_edge(*pair[::-1])]
    lines = [pair for pair in both if pair[0] < pair[1]]
    loops = [pair for pair in graph.edges if pair[0] == pair[1]]
    nx.draw_networkx_edges(graph, place, lines, ax=axes, edge_color=GREY, width=0.8, alpha=0.7, arrows=False)
    nx.draw_networkx_edges(graph, place, [*one, *loops], ax=axes, edge_color=GREY, width=0.8, alpha=0.8, node_size=220)
    weights = nx.get_edge_attributes(graph, "weight")
    shown = {pair: f"{weights[pair]:.2g}" for pair in [*lines, *one] if pair in weights}
    if shown and len(shown) <= EDGES_WITH_WEIGHTS:
        nx.draw_networkx_edge_labels(graph, place, shown, ax=axes, font_size=7, font_color="#444444", rotate=False)


def draw_nodes(
    axes: Axes,
    graph: nx.DiGraph,
    place: dict[int, np.ndarray],
    true: Sequence[int],
    predicted: Sequence[int],
    trained: set[int],
    names: Sequence[str],
) -> None:
    """Draw squares for training nodes, circles for others, numbers in them, the true class beside wrong ones."""
    for shape, nodes in (("s", [n for n in graph if n in trained]), ("o", [n for n in graph if n not in trained])):
        fill = [COLOURS[predicted[node] % len(COLOURS)] for node in nodes]
        ring = [RED if true[node] != predicted[node] else "#333333" for node in nodes]
        width = [2.4 if true[node] != predicted[node] else 0.6 for node in nodes]
        look = {"node_size": 260, "node_shape": shape, "node_color": fill, "edgecolors": ring, "linewidths": width}
        nx.draw_networkx_nodes(graph, place, nodes, ax=axes, **look)
    nx.draw_networkx_labels(graph, place, font_size=7 if len(true) < 1000 else 6, ax=axes)
    for node in graph:
        if true[node] != predicted[node]:
            text = f"true: {shorten(name(names, true[node]))}"
            axes.annotate(
                text, tuple(place[node]), (0, -13), textcoords="offset points", ha="center", fontsize=6, color=RED
            )


def legend(classes: Sequence[int], names: Sequence[str]) -> list[Line2D]:
    """Draw one entry a class, and what shapes and rings mean."""
    dot = {"linestyle": "", "markersize": 8, "markeredgecolor": "#333333"}
    entries = [
        Line2D([], [], marker="o", color=COLOURS[each % len(COLOURS)], label=shorten(name(names, each)), **dot)  # type: ignore[arg-type]
        for each in classes
    ]
    entries.append(Line2D([], [], marker="s", color="white", label="learned from", **dot))  # type: ignore[arg-type]
    wrong = {**dot, "markeredgecolor": RED, "markeredgewidth": 2}
    entries.append(Line2D([], [], marker="o", color="white", label="predicted wrong", **wrong))  # type: ignore[arg-type]
    return entries


def name(names: Sequence[str], index: int) -> str:
    """Return a class's name, or its index."""
    return names[index] if index < len(names) else str(index)


def summary(edge_index: Tensor, classes: Tensor) -> str:
    """Return nodes, edges, degrees, isolated nodes, self-loops, and the share of edges within a class, in two lines."""
    nodes, (source, target) = len(classes), edge_index
    degree = torch.bincount(target, minlength=nodes)
    loops = int((source == target).sum())
    touched = torch.zeros(nodes, dtype=torch.bool)
    touched[edge_index[:, source != target].flatten()] = True
    words = [f"{nodes:,} nodes", f"{edge_index.shape[1]:,} directed edges"]
    if nodes:
        words.append(f"degree {float(degree.float().mean()):.1f} on average, {int(degree.max())} at most")
    words += [f"{int((~touched).sum())} isolated", f"{loops} self-loops"]
    if edge_index.shape[1]:
        words.append(f"{float((classes[source] == classes[target]).float().mean()):.0%} of edges within a class")
    return ", ".join(words[:3]) + "\n" + ", ".join(words[3:])


def degrees(edge_index: Tensor, nodes: int) -> Figure:
    """Draw the distribution of degrees (incoming edges)."""
    degree = torch.bincount(edge_index[1], minlength=nodes)
    figure = Figure(figsize=(6, 3.6), layout="constrained", dpi=100)
    axes = figure.add_subplot()
    counts = torch.bincount(degree)
    there = counts.nonzero().flatten()
    axes.bar(there.numpy(), counts[there].numpy(), color=BLUE, width=0.8)
    axes.set(xlabel="incoming edges", ylabel="nodes")
    if int(counts.max()) > 50:
        axes.set_yscale("log")
    if int(degree.max()) > 40:
        axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(left=-0.6)
    axes.set_title(f"degree {float(degree.float().mean()):.2f} on average, median {int(degree.median())}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def adjacency(edge_index: Tensor, classes: Tensor, names: Sequence[str]) -> Figure:
    """Draw which class's nodes are joined to which: the matrix by class, and the share of each class's edges."""
    figure = Figure(figsize=(10, 4.6), layout="constrained", dpi=100)
    left, right = figure.subplots(1, 2)
    order = classes.argsort(stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    source, target = place[edge_index]
    size = max(0.4, min(20.0, 30_000 / max(len(classes), 1) ** 2))
    left.scatter(source.numpy(), target.numpy(), s=size, color=BLUE, marker="s", edgecolors="none")
    for border in torch.bincount(classes, minlength=len(names)).cumsum(0)[:-1].tolist():
        left.axhline(border - 0.5, color=GREY, linewidth=0.4)
        left.axvline(border - 0.5, color=GREY, linewidth=0.4)
    limits = (-0.5, len(classes) - 0.5)
    left.set(xlim=limits, ylim=limits[::-1], aspect="equal", xlabel="to (nodes by class)", ylabel="from")
    left.set_title("adjacency matrix", fontsize=10)
    count = max(len(names), int(classes.max()) + 1)
    between = torch.bincount(classes[edge_index[0]] * count + classes[edge_index[1]], minlength=count**2)
    between = between.reshape(count, count).double()
    shares = between / between.sum(1, keepdim=True).clamp(min=1)
    image = right.imshow(shares.numpy(), cmap="Blues", norm=Normalize(0, 1))
    figure.colorbar(image, ax=right, shrink=0.8, label="share of the class's edges")
    labels = [shorten(name(names, index)) for index in range(count)]
    right.set_xticks(range(count), labels, rotation=90, fontsize=7)
    right.set_yticks(range(count), labels, fontsize=7)
    for row in range(count):
        for column in range(count):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{float(shares[row, column]):.2f}"
            right.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    right.set_title("edges between classes", fontsize=10)
    return figure


def graph_grid(
    edge_index: Tensor, batch: Tensor, true: Tensor, predicted: Tensor, names: Sequence[str], count: int = 16
) -> Figure:
    """Draw the first graphs of a batch, evenly chosen, with their class; a wrong prediction in red with both.

    Args:
        batch: int64 (nodes,), ascending: the graph of each node.
        true, predicted: int64 (graphs,).
    """
    chosen = torch.linspace(0, len(true) - 1, min(count, len(true))).round().long().unique().tolist()
    columns = min(len(chosen), 4)
    lines = math.ceil(len(chosen) / max(columns, 1))
    figure = Figure(figsize=(2.6 * columns, 2.7 * lines), layout="constrained", dpi=90)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes in grid:
        axes.axis("off")
    for axes, number in zip(grid, chosen, strict=False):
        nodes = (batch == number).nonzero().flatten()
        inside = edge_index[:, batch[edge_index[0]] == number] - (int(nodes[0]) if len(nodes) else 0)
        shape = to_networkx(inside, len(nodes)).to_undirected()
        place = nx.kamada_kawai_layout(shape) if 0 < len(nodes) <= 80 else nx.spring_layout(shape, seed=LAYOUT_SEED)
        nx.draw_networkx(shape, place, ax=axes, node_size=28, with_labels=False, node_color=BLUE, edge_color=GREY)
        label, guess = int(true[number]), int(predicted[number])
        caption = shorten(name(names, guess))
        if label != guess:
            caption += f"\ntrue: {shorten(name(names, label))}"
        axes.set_title(caption, fontsize=9, color=RED if label != guess else "#2e8b57")
    return figure
