"""The entries of status.json, result.json and environment.json, and what is read where somebody changed them."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from runner.compression.constraints import Rule, at_least, mistakes
from runner.files.reading import parse_json, read_bytes


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, or null, which stands for one that JSON has no word for."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf)


def is_artifact(value: Any) -> bool:
    """Return whether a value describes a file that a run left behind; see `result.ArtifactFile`."""
    texts = {"path", "network", "format", "sha256"}
    return (
        isinstance(value, dict)
        and {"path", "bytes"} <= value.keys() <= {"bytes", *texts}
        and all(isinstance(value[key], str if key in texts else int) for key in value)
        and not Path(value["path"]).is_absolute()
        and ".." not in Path(value["path"]).parts
    )


NUMBERS = Rule("of numbers by their names", lambda value: all(is_number(each) for each in value.values()))
TEXTS = Rule("of texts by their names", lambda value: all(isinstance(each, str) for each in value.values()))
ARTIFACTS = Rule("of files by their names", lambda value: all(is_artifact(each) for each in value.values()))


@dataclass
class RecordEntries:
    """What each entry must be; those that are not listed are shown as they are."""

    state: str
    status: str
    name: str
    identity: str
    stage: str | None
    error: str | None
    stopped: str | None
    host: str
    started: float | None
    ended: float | None
    done: list[str]
    held: list[str] | None
    released: bool
    metrics_bytes: Annotated[int, at_least(0)] | None
    parameters: int
    metrics: Annotated[dict, NUMBERS]  # type: ignore[type-arg]
    seconds: Annotated[dict, NUMBERS]  # type: ignore[type-arg]
    choices: Annotated[dict, TEXTS]  # type: ignore[type-arg]
    artifacts: Annotated[dict, ARTIFACTS]  # type: ignore[type-arg]
    settings: dict  # type: ignore[type-arg]
    weights: dict  # type: ignore[type-arg]
    warnings: list[dict]  # type: ignore[type-arg]
    checkpoint: str | None
    python: str
    versions: Annotated[dict, TEXTS]  # type: ignore[type-arg]
    cpu: dict  # type: ignore[type-arg]


def damage(path: Path) -> str:
    """Return what is wrong with a file of these entries, in words; empty where nothing is, or there is none."""
    try:
        content = parse_json(read_bytes(path))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return str(error)
    if not isinstance(content, dict):
        return "it holds no entries"
    return "; ".join(mistakes(RecordEntries, content))


def read_entries(path: Path) -> dict[str, Any]:
    """Return the entries of a file that are what they must be; none where it is missing or damaged."""
    try:
        content = parse_json(read_bytes(path))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    if not mistakes(RecordEntries, content):
        return content
    return {key: value for key, value in content.items() if not mistakes(RecordEntries, {key: value})}
