"""Curves of one training as a picture in SVG, readable on light and on dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, MARGIN, GAP = 360, 200, 44, 24
MOST = 400  # points of a curve
# Readable on white and on black, and told apart by people who see red and green alike.
COLOURS = {"train": "#d97706", "val": "#2f81d6"}


def drawn(curves: Mapping[str, Points], monitor: str) -> str:
    """Return a panel for the loss and one for the monitored metric, over steps; empty where there are no curves.

    Args:
        curves: (step, value) by metric, `train/loss`.
        monitor: `val/accuracy`.
    """
    names = dict.fromkeys(["loss", monitor.partition("/")[2]])
    panels = {
        name: {split: curves[f"{split}/{name}"] for split in COLOURS if len(curves.get(f"{split}/{name}", ())) > 1}
        for name in names
    }
    found = [panel(name, lines) for name, lines in panels.items() if lines]
    if not found:
        return ""
    width = len(found) * (WIDTH + GAP) - GAP
    inside = "".join(
        f'<g transform="translate({index * (WIDTH + GAP)} 0)">{each}</g>' for index, each in enumerate(found)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="#808080">{inside}</svg>\n'
    )


def panel(name: str, lines: Mapping[str, Points]) -> str:
    """Return one panel: axes with the least and the largest value, and a line for each split."""
    steps = [step for points in lines.values() for step, _ in points]
    values = [value for points in lines.values() for _, value in points]
    left, right, low, high = min(steps), max(steps), min(values), max(values)
    wide, tall = (right - left) or 1.0, (high - low) or 1.0

    def place(step: float, value: float) -> str:
        across = MARGIN + (step - left) / wide * (WIDTH - MARGIN - 8)
        down = HEIGHT - MARGIN / 2 - (value - low) / tall * (HEIGHT - MARGIN - 8)
        return f"{across:.1f},{down:.1f}"

    parts = [f'<text x="{MARGIN}" y="14" font-weight="bold">{escape(name)}</text>']
    for index, (split, points) in enumerate(lines.items()):
        kept = points[:: len(points) // MOST + 1]
        path = " ".join(place(*point) for point in kept)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[split]}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - 90 + 45 * index}" y="14" fill="{COLOURS[split]}">{split}</text>')
    bottom = HEIGHT - MARGIN / 2
    parts.append(f'<path d="M{MARGIN} 22V{bottom}H{WIDTH - 8}" fill="none" stroke="#808080"/>')
    for text, across, down in ((f"{high:.3g}", 4, 34), (f"{low:.3g}", 4, bottom)):
        parts.append(f'<text x="{across}" y="{down}">{text}</text>')
    parts.append(f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">step {right:.0f}</text>')
    return "".join(parts)
