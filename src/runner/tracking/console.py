"""Output of a run for whoever started it: what was chosen, and at the end one table."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from runner.compression import methods
from runner.files.text import UNSEEN, visible
from runner.tracking import layout
from runner.tracking.result import TESTED, RunResult

log = logging.getLogger(__name__)

PIPE_WIDTH = 140


class TextConsole(Console):
    """A console on which text is text: nothing in it is markup, a link, an emoji's name or a command to the terminal.

    What has a style is a rich `Text`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield segments in which control characters, but those that rich itself writes, are written out."""
        for segment in super().render(renderable, options):
            found = segment.control is None and UNSEEN.search(segment.text)
            yield Segment(visible(segment.text), segment.style) if found else segment


console = TextConsole()
if not console.is_terminal:  # rich takes a pipe for 80 columns wide, and cuts tables to it
    console.width = PIPE_WIDTH

# Metrics that stages show in tables of their own; result.json holds them all.
DETAILS = ("benchmark/", "export/", "val/recall/", TESTED, *methods.DETAILS)
SHOWN = ("model", "data", "task", "optimizer", "scheduler", "augmentation", "trainer", *methods.GROUPS, "mode")


def show_choices(chosen: Mapping[str, str], overrides: list[str], directory: Path, plugins: Mapping[str, str]) -> None:
    """Print a compact tree of what was chosen, and what the command line changed.

    Args:
        plugins: the packages whose code the run may execute, and who named them.
    """
    for package, named in plugins.items():
        console.print(f"plugin {package}, named by {named}", soft_wrap=True, highlight=False, markup=False)
    if not console.is_terminal:
        line = " ".join(f"{group}={chosen[group]}" for group in SHOWN if group in chosen)
        console.print(f"{line}\n{shortest(directory)}", soft_wrap=True)
        return
    tree = Tree(Text(str(shortest(directory)), style="bold"))
    for group in SHOWN:
        if chosen.get(group, "none") not in ("none", "default"):
            tree.add(Text.assemble((group, "dim"), " ", chosen[group]))
    keys = [each for each in overrides if each.split("=")[0] not in chosen]
    if keys:
        changed = tree.add(Text("changed", "dim"))
        for each in keys:
            changed.add(Text(each))
    console.print(tree)


def show_remarks(remarks: Iterable[str]) -> None:
    """Print what a person should know of how the data was read, a line each, and keep it in the run's log."""
    for remark in remarks:
        log.info(remark)
        console.print(f"note: {remark}", markup=False, soft_wrap=True)


def show_result(result: RunResult) -> None:
    """Print the closing table: metrics by stage, seconds, parameters, and where everything lies."""
    table = Table(title=result.name, title_justify="left", title_style="bold")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in sorted(result.metrics.items(), key=lambda item: by_stage(item[0])):
        if not name.startswith(DETAILS):
            table.add_row(name, f"{value:.4f}")
    table.add_section()
    for stage, seconds in result.seconds.items():
        table.add_row(f"{stage} seconds", f"{seconds:.1f}")
    table.add_row("parameters", f"{result.parameters:,}")
    console.print(table)
    directory = shortest(Path(result.run_directory))
    console.print(f"Run directory  {directory}", soft_wrap=True)
    if (Path(result.run_directory) / layout.TENSORBOARD).is_dir():
        console.print(f"TensorBoard    tensorboard --logdir {directory}/{layout.TENSORBOARD}", soft_wrap=True)


def by_stage(name: str) -> tuple[int, str]:
    """Sort metrics by stage: training, validation, test, then the rest."""
    stages = ("train/", "val/", "cross_validation/", "test/", *(f"{phase}/" for phase in methods.PHASES))
    position = next((index for index, stage in enumerate(stages) if name.startswith(stage)), len(stages))
    return position, name


def shortest(path: Path) -> Path:
    """Return the path relative to the working directory where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
