"""report.md: one run in one page: what was run, on what, what came of it, compared with what, and its curves."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from itertools import islice
from pathlib import Path
from shlex import quote

from runner.errors import RunnerError
from runner.files import write_text
from runner.files.text import one_line
from runner.report.quantities import number, size_words
from runner.report.run_record import DONE, RESUMABLE, mapping, read_json, value_of
from runner.report.runs import SWEEP, RunRecord, curves, read_run
from runner.tracking import layout
from runner.tracking.console import DETAILS, SHOWN, by_stage

# So many of the newest runs beside it are looked at, and the folder that they lie in below a day's.
NEIGHBOURS, RUNS = 20, "runs"
CURVES = "curves.svg"
PLACES = ("hydra.run.dir=", "hydra.sweep.dir=")
MOST = 400  # points of a curve
# Readable on white and on black, and told apart by people who see red and green alike.
COLOURS = {"train": "#d97706", "val": "#2f81d6"}


def write_summary(path: Path) -> None:
    """Write report.md, and the picture of its curves, into a run directory.

    A full disk leaves them out, and so do records of others beside it that can't be read: the run itself is done.
    """
    run = read_run(path)
    with suppress(OSError, RunnerError):
        picture = drawn(curves(run), str(run.settings.get("task.monitor") or ""))
        if picture:
            write_text(path / layout.ARTIFACTS / CURVES, picture)
        write_text(path / layout.REPORT, summary(run, neighbours(run), picture=bool(picture)))


def summary(run: RunRecord, others: Sequence[RunRecord] = (), *, picture: bool = False) -> str:
    """Return the page as Markdown.

    Args:
        others: finished runs on the same data, to compare it with.
        picture: whether its curves are drawn.
    """
    parts = [
        f"# {escaped(run.name)}",
        f"{escaped(run.state)}{f': {escaped(run.reason)}' if run.reason else ''}",
        "## What was run",
        table(("group", "choice"), ((group, run.choices[group]) for group in SHOWN if told(run, group))),
        f"Once more:\n\n{code(command(run))}",
        "## On what",
        table(("", ""), surroundings(run)),
        "## What came of it",
        came_of_it(run),
        f"![Curves of the training]({layout.ARTIFACTS}/{CURVES})" if picture else "",
        table(("file", "size"), ((name, size_words(size)) for name, size in run.artifacts.items())),
        "\n".join(f"- {escaped(text)}" for text in run.warnings),
        "## Compared with",
        compared(run, others),
        "## Going on",
        code(*going_on(run)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def told(run: RunRecord, group: str) -> bool:
    """Return whether a choice says something."""
    return run.choices.get(group, "none") not in ("none", "default")


def command(run: RunRecord) -> str:
    """Return the command that repeats a run, in a directory of its own."""
    typed = (quote(text) for text in run.overrides if not text.lstrip("+").startswith(PLACES))
    return " ".join(["python -m runner", *map(one_line, typed)])


def surroundings(run: RunRecord) -> Iterator[tuple[str, str]]:
    """Yield what a run was made with: data, seed, versions, machine."""
    recorded = read_json(run.path / layout.ENVIRONMENT)[0]
    git, cpu, versions = mapping(recorded.get("git")), mapping(recorded.get("cpu")), mapping(recorded.get("versions"))
    gpus = recorded.get("gpus")
    found = {
        "data": run.choices.get("data"),
        "files": run.settings.get("data.root"),
        "content": recorded.get("data"),
        "seed": run.settings.get("seed"),
        "identity": run.identity,
        "revision": f"{git['revision']}{' with changes' if git.get('dirty') else ''}" if git.get("revision") else None,
        "versions": ", ".join(f"{name} {versions[name]}" for name in ("runner", "torch") if name in versions),
        "machine": f"{cpu['model']}, {cpu.get('cores')} cores" if cpu.get("model") else None,
        "GPUs": ", ".join(map(str, gpus)) if isinstance(gpus, list) else None,
    }
    return ((name, str(value)) for name, value in found.items() if value not in (None, ""))


def came_of_it(run: RunRecord) -> str:
    """Return the metrics by stage, parameters and seconds; what a stage shows in detail stays in result.json."""
    names = sorted((name for name in run.metrics if not name.startswith(DETAILS)), key=by_stage)
    rows = [(name, number(run.metrics[name], 4)) for name in names]
    rows += [("parameters", f"{run.parameters:,}")] if run.parameters is not None else []
    rows += [(f"{stage} seconds", f"{seconds:.1f}") for stage, seconds in run.seconds.items()]
    return table(("metric", "value"), rows) or "Nothing was measured."


def compared(run: RunRecord, others: Sequence[RunRecord]) -> str:
    """Return the table of a report over a run and others, ranked by validation data."""
    if (run.path.parent / SWEEP).is_file():
        return "The other runs of its sweep: `python -m runner report ..`"
    if run.state != DONE or not others:
        return "No finished run on the same data lies beside it."
    from runner.report.formats import as_markdown
    from runner.report.report import build_report

    return as_markdown(build_report([run, *others], group=False)).strip()


def going_on(run: RunRecord) -> list[str]:
    """Return the commands that follow."""
    place = quote(str(run.path))
    if run.state == DONE:
        return [f"python -m runner predict {place} FILE", f"python -m runner reproduce {place}"]
    return [f"python -m runner resume {place}"] if run.state in RESUMABLE else [f"python -m runner report {place}"]


def neighbours(run: RunRecord) -> list[RunRecord]:
    """Return the newest finished runs on the same data in the folder of runs that this one lies in; none elsewhere."""
    root = run.path.parent.parent
    if root.name != RUNS or run.state != DONE:
        return []
    others = (path.parent for path in sorted(root.glob(f"*/*/{layout.RESULT}"), reverse=True))
    found = [read_run(path) for path in islice((path for path in others if path != run.path), NEIGHBOURS)]
    same = [value_of(run, "data"), run.settings.get("data.root"), run.settings.get("data.content")]
    return [
        each
        for each in found
        if each.state == DONE
        and [value_of(each, "data"), each.settings.get("data.root"), each.settings.get("data.content")] == same
    ]


def table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Return a Markdown table of two columns; empty where there are no rows."""
    lines = [f"| {escaped(left)} | {escaped(right)} |" for left, right in rows]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *lines]) if lines else ""


def code(*lines: str) -> str:
    """Return commands as a block of code, which nothing in them can end."""
    return "\n".join(f"    {one_line(line)}" for line in lines)


def escaped(text: str) -> str:
    """Return a text of somebody's, in one line, that is no Markdown and no HTML."""
    return re.sub(r"([\\`*\[\]<>|#!])", r"\\\1", one_line(text))


Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, MARGIN, GAP = 360, 200, 44, 24


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
