"""Ways of fine-tuning side by side: what each reaches, and what it costs, as bars."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.files import write_with
from runner.report.differences import label
from runner.report.quantities import heading, number, places, show, size_words
from runner.report.report import Report, ReportRow
from runner.report.statistic import Statistic

BAR, FAINT, INK = "#2a6fbb", "#c9d8ea", "#444444"
# Inches of a row and of a panel, and of all that is above, below and beside them.
ROW, PANEL, ABOVE, CHARACTER = 0.3, 1.75, 0.75, 0.085
# Several times as much from the least to the most are compared on a logarithmic axis.
WIDE = 20


def percent(value: float) -> str:
    """Return a share as `1.70 %`."""
    return f"{100 * value:.3g} %"


def seconds(value: float) -> str:
    """Return seconds as `0.67 s` or `8.1 ms`."""
    return f"{value:.2g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"


COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "finetune/trainable_share": ("trained", percent),
    "finetune/peak_memory_bytes": ("peak memory", size_words),
    "finetune/stored_bytes": ("to store", size_words),
    "finetune/step_seconds": ("a step", seconds),
    "finetune/latency_ms": ("latency", lambda value: f"{value:.3g} ms"),
}


def compares_levels(report: Report) -> bool:
    """Return whether several rows tell what their fine-tuning cost."""
    return sum(any(name in row.metrics for name in COSTS) for row in report.rows) > 1


def draw_levels(report: Report, path: Path) -> Path:
    """Draw a row of bars for each row of a report, in its order, with a panel for the metric and each cost, as a PNG.

    Bars are as long as the values, from 0; of values that differ by more than 20 times, as their logarithms. Lines are
    standard deviations over seeds.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [row for row in report.rows if any(name in row.metrics for name in COSTS)]
    shown = [name for name in (report.metric, *COSTS) if any(name in row.metrics for row in rows)]
    names = [row_name(row, report.columns) for row in rows]
    left = 0.3 + CHARACTER * max(map(len, names))
    size = (left + PANEL * len(shown), ABOVE + ROW * len(rows))
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=size, dpi=120)
        grid = {"left": left / size[0], "right": 1 - 0.02, "top": 1 - 0.5 / size[1], "bottom": 0.15 / size[1]}
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False, gridspec_kw={**grid, "wspace": 0.12})[0]
        for axes, name in zip(panels, shown, strict=True):
            best = max if name == report.metric and report.mode == "max" else min
            draw_panel(axes, name, [row.metrics.get(name) for row in rows], best)
        panels[0].set_yticks(range(len(rows)), names)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        write_with(path, lambda file: figure.savefig(file, format="png"))
    return path


def draw_panel(
    axes: Any, name: str, values: Sequence[Statistic | None], best_of: Callable[[Sequence[float]], float]
) -> None:
    """Draw the bars of one quantity, each with its number, the best one strong."""
    known = {place: each for place, each in enumerate(values) if each is not None}
    means = [each.mean for each in known.values()]
    digits = places(name, means)
    title, write = COSTS.get(name, (heading(name), lambda value: number(value, digits)))
    best, positive = best_of(means), [mean for mean in means if mean > 0]
    if len(positive) == len(means) and max(means) / min(means) > WIDE:
        title += " (log)"
        axes.set_xscale("log")
        axes.set_xlim(min(means) / 2, max(means) * (max(means) / min(means)) ** 0.9)
    else:
        axes.set_xlim(0, 1.7 * max(*means, 1e-12))
    colours = [BAR if mean == best < max(means) or mean == best > min(means) else FAINT for mean in means]
    deviations = [each.std or 0.0 for each in known.values()]
    axes.barh([*known], means, height=0.66, color=colours, xerr=deviations if any(deviations) else None)
    for place, each in known.items():
        axes.annotate(write(each.mean), (each.mean, place), (3, 0), textcoords="offset points", va="center", color=INK)
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.set_xticks([], [])
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def row_name(row: ReportRow, columns: Sequence[str]) -> str:
    """Return the settings of a row: the choice of `finetune` as it is, others with their short names."""
    texts = [
        show(value) if key == "finetune" else f"{label(key, columns)}={show(value)}"
        for key, value in row.settings.items()
    ]
    return ", ".join(texts) or row.runs[0].name
