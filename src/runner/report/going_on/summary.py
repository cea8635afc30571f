"""report.md: one run in one page: what was run, on what, what came of it, compared with what."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shlex import quote

from runner.errors import RunnerError
from runner.files import write_text
from runner.files.text import one_line
from runner.report.differences import value_of
from runner.report.formats import as_markdown
from runner.report.going_on.curves import drawn
from runner.report.going_on.outputs import size_words
from runner.report.quantities import number
from runner.report.record_files import mapping, read_json
from runner.report.report import build_report
from runner.report.runs import SWEEP, RunRecord, curves, read_run
from runner.report.state import DONE, RESUMABLE
from runner.tracking import layout
from runner.tracking.console import DETAILS, SHOWN, by_stage

# So many of the newest runs beside it are looked at, and the folder that they lie in below a day's.
NEIGHBOURS, RUNS = 20, "runs"
CURVES = "curves.svg"
PLACES = ("hydra.run.dir=", "hydra.sweep.dir=")


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
