"""A project's files, made of the templates of its kind."""

import re
from collections.abc import Mapping
from pathlib import Path

from runner.errors import RunnerError
from runner.files import write_text

TEMPLATES = Path(__file__).with_name("templates")
SHARED, SUFFIX, PACKAGE = "shared", ".template", "PROJECT"
PLACE = re.compile(r"@\{(\w+)\}")
SHOWN = 3


def refuse_unfit(directory: Path) -> None:
    """Raise RunnerError where a project can't be written into a directory, which may be there already and empty."""
    if directory.exists() and not directory.is_dir():
        raise RunnerError(f"{directory} is a file. Name a directory that is not there yet.")
    held = sorted(each.name for each in directory.iterdir() if each.name != ".git") if directory.is_dir() else []
    if held:
        more = f" and {len(held) - SHOWN:,} more" if len(held) > SHOWN else ""
        raise RunnerError(
            f"{directory} is not empty: it holds {', '.join(held[:SHOWN])}{more}. "
            "Name a directory that is not there yet, or an empty one."
        )


def rendered(kind: str, values: Mapping[str, str]) -> dict[Path, str]:
    """Return the text of each file of a project by its path in it."""
    files = {}
    for folder in (TEMPLATES / SHARED, TEMPLATES / kind):
        for template in sorted(folder.rglob(f"*{SUFFIX}")):
            place = template.relative_to(folder).as_posix().removesuffix(SUFFIX)
            path = Path(place.replace(PACKAGE, values["project"]))
            text = PLACE.sub(lambda found: values[found[1]], template.read_text(encoding="utf-8"))
            files[path] = text.rstrip("\n") + "\n"
    return files


def write(directory: Path, files: Mapping[Path, str]) -> None:
    """Write the files; raises RunnerError where the directory can't be written."""
    try:
        for place, text in files.items():
            path = directory / place
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    except OSError as error:
        raise RunnerError(f"{directory} can't be written ({error.strerror}). Name another directory.") from error
