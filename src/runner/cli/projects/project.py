"""A project from its parts: files looked at and described, a name, templates filled in, all of it written."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from runner.cli.projects.kinds import KINDS
from runner.cli.projects.names import package_name
from runner.cli.projects.seen import seen
from runner.cli.projects.writing import refuse_unfit, rendered, write
from runner.config import catalog
from runner.errors import RunnerError
from runner.files.text import markdown
from runner.tracking.environment import versions

if TYPE_CHECKING:
    from runner.cli.projects.kinds.found import Found

GROUPS = ("data", "model", "experiment")
# What templates say unless the data says otherwise.
USUAL = {
    "epochs": "20",
    "expect": "Write down here what it reaches, and below as expected: {metric, value, tolerance} for verify",
    "more": "",
}
POINTS = "points"
SPIRALS = {
    "about": "Tells points on the three arms of a spiral apart.",
    "root": '"."',
    "described": "1,500 points, made when a run starts.",
    "epochs": "50",
    "expect": "Expect 99 % of the test points after a quarter of a minute on a CPU core",
    "more": "expected: {metric: test/accuracy, value: 0.99, tolerance: 0.01, mode: max}",
}


def begin(directory: Path, kind: str | None, place: Path, target: str | None) -> Iterator[str]:
    """Write a project, and yield what there is to say.

    Args:
        directory: a new one, or an empty one.
        kind: of the user's files; None to begin with points that are made.
        place: where these lie.
        target: the column to predict.

    Raises:
        RunnerError: the directory isn't empty, or the files can't be trained on; nothing is written then.
    """
    refuse_unfit(directory)
    known = catalog.choices([catalog.own_config_directory()])
    named = directory.resolve().name
    project = package_name(named, {name for group in GROUPS for name in known[group]})
    values = {**USUAL, "project": project, "title": project.replace("_", " ").capitalize()}
    values["version"] = versions()["runner"]
    if kind is None:
        values |= SPIRALS
    else:
        found = looked_at(kind, place, target)
        yield from found.lines
        values |= {"about": KINDS[kind], "root": root_of(place, directory), **found.values}
        values["described"] = "\n".join(f"- {markdown(line)}" for line in found.lines)
    files = rendered(kind or POINTS, values)
    write(directory, files)
    because = "" if project == named else f", the nearest to {named} that a package can be called"
    yield f"{directory}: {len(files)} files. The package is {project}{because}."
    yield f"Train:  cd {quote(str(directory))} && python -m runner experiment={project} 'runner.plugins=[{project}]'"


def looked_at(kind: str, place: Path, target: str | None) -> "Found":
    """Return what there is in the user's files.

    Raises:
        RunnerError: they are no data of this kind; it says what was seen.
    """
    if not place.exists():
        raise RunnerError(f"--data {kind} {place}: there is no such file or folder.")
    look = import_module(f"runner.cli.projects.kinds.{kind}").look
    try:
        found: Found = look(place.resolve(), target)
    except RunnerError as error:
        raise RunnerError(f"--data {kind} {place}: {error}\nWhat lies there: {seen(place)}.") from error
    return replace(found, lines=[line.replace(str(place.resolve()), place.name) for line in found.lines])


def root_of(place: Path, directory: Path) -> str:
    """Return where data lies as a value of YAML: relative to the project where they lie side by side.

    Raises:
        RunnerError: the path would mean something else in a configuration.
    """
    place, directory = place.resolve(), directory.resolve()
    beside = place.is_relative_to(directory.parent)
    text = os.path.relpath(place, directory) if beside else str(place)
    if "${" in text:
        raise RunnerError(f"{place}: ${{ means an interpolation in a configuration. Rename the folder.")
    return json.dumps(text, ensure_ascii=False)
