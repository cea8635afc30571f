"""resumed.yaml: the times a run was resumed with other settings, and from which step on they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runner.compression.constraints import mistakes
from runner.errors import RunnerError
from runner.files import write_text
from runner.files.reading import check_yaml, read_bytes
from runner.tracking import layout


@dataclass(frozen=True)
class Resumption:
    """One time.

    Attributes:
        overrides: what the command line said.
        epochs, step: of training that were done.
        before, after: the settings that it changed, by dotted keys; what was not there is null.
        training: whether some of them decide how training goes on.
        earlier: where the result until then is kept, relative to the run directory; empty where there was none.
        when: seconds since 1970.
    """

    overrides: list[str]
    epochs: int
    step: int
    before: dict[str, Any]
    after: dict[str, Any]
    training: bool
    earlier: str = ""
    when: float = 0.0
    said: str = field(default="")


def resumptions(directory: Path) -> list[Resumption]:
    """Return all times a run was resumed with other settings, the first one first.

    Raises:
        RunnerError: the file is damaged.
    """
    path = directory / layout.RESUMED
    if not path.is_file():
        return []
    try:
        content = read_bytes(path)
        check_yaml(content)
        found = [Resumption(**each) for each in yaml.safe_load(content) or []]
        if wrong := [message for each in found for message in mistakes(Resumption, vars(each))]:
            raise ValueError("; ".join(wrong))
        return found
    except (yaml.YAMLError, TypeError, ValueError, OSError) as error:
        raise RunnerError(f"{path}: damaged ({str(error).splitlines()[0]}).") from None


def append(directory: Path, resumption: Resumption) -> None:
    """Add one to the file."""
    rows = [asdict(each) for each in (*resumptions(directory), resumption)]
    write_text(directory / layout.RESUMED, yaml.safe_dump(rows, sort_keys=False, allow_unicode=True))


def changed_at(directory: Path, step: int) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the settings of the training as they were in a checkpoint of `step` steps, and as they are from there on.

    None where they did not change there.
    """
    there = [each for each in resumptions(directory) if each.step == step and each.training]
    return (first_of(there), {key: each for one in there for key, each in one.after.items()}) if there else None


def first_of(there: Sequence[Resumption]) -> dict[str, Any]:
    """Return the settings before the first of several changes at one step."""
    before: dict[str, Any] = {}
    for each in there:
        before = {**each.before, **before}
    return before
