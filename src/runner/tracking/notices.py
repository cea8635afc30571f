"""Notices: what a person would want to know of a run, told once on the console and kept in its record."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from runner.tracking.console import console
from runner.tracking.run_directory import RunDirectory


@dataclass(frozen=True)
class Notice:
    """One thing that was noticed, in a sentence with its remedy.

    Attributes:
        kind: a word for programs: `dead_layer`, `constant_predictions`, `data`, …
        text: for people.
        about: what of the run it is about (a layer, a class), where one kind may be told of several.
    """

    kind: str
    text: str
    about: str = ""


def tell(record: RunDirectory, notices: Iterable[Notice], *, aloud: bool = True) -> None:
    """Add notices to the run's record and print them; what the record holds of a kind and subject is not told again.

    They lie in `status.json` at once, so that a run that fails or goes on after an interruption keeps them.
    """
    if not record.primary:
        return
    told = recorded(record)
    known = {(each["kind"], each.get("about", "")) for each in told}
    fresh = []
    for notice in notices:
        if (notice.kind, notice.about) not in known:
            known.add((notice.kind, notice.about))
            fresh.append(notice)
    if not fresh:
        return
    record.update_status(warnings=[*told, *map(asdict, fresh)])
    for notice in fresh if aloud else ():
        console.print(Text.assemble(("Notice  ", "bold yellow"), notice.text), soft_wrap=True)


def recorded(record: RunDirectory) -> list[dict[str, Any]]:
    """Return the notices that a run's record holds, as plain values."""
    found = record.status.get("warnings", [])
    return [each for each in found if isinstance(each, dict) and "kind" in each] if isinstance(found, list) else []
