"""RunResult: what came of a run, flat and stable, as result.json holds it; its entries, and those of status.json."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from runner.compression.constraints import Rule, at_least, mistakes
from runner.errors import RunnerError
from runner.files import write_json
from runner.files.reading import parse_json, read_bytes

# The metric that says how many test samples the metrics of testing are over.
TESTED = "data/tested_samples"


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


@dataclass(frozen=True)
class ArtifactFile:
    """A file that a run left behind.

    Attributes:
        path: relative to the run directory.
        bytes: its size.
        network: what the network is called that it holds (`float`, `pruned`, `int8`); empty for other files.
        format: the name of its file format.
        sha256: of its content, for an exported network; where it is native code, nothing else is loaded.
    """

    path: str
    bytes: int
    network: str = ""
    format: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class RunResult:
    """Outcome of a run.

    `settings` is the configuration it ran with, flat, by dotted keys: a report over a thousand runs need not parse
    their YAML files. `choices` says which file of each configuration group was chosen. `weights` says what of a file
    the run started from, and what it left out (see `tracking.weights.loading.LoadedWeights`); empty where it did not.
    `warnings` are what was noticed (`kind`, `text`, `about`); see `tracking.notices`.
    """

    status: str
    name: str
    identity: str
    run_directory: str
    parameters: int
    seconds: dict[str, float]
    metrics: dict[str, float]
    artifacts: dict[str, ArtifactFile] = field(default_factory=dict)
    checkpoint: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write result.json in one step."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "RunResult":
        """Read result.json.

        Raises:
            RunnerError: the file is missing, damaged or of another layout.
        """
        try:
            values: dict[str, Any] = parse_json(read_bytes(path))
            if wrong := mistakes(RecordEntries, values):
                raise ValueError("; ".join(wrong))
            artifacts = {name: ArtifactFile(**each) for name, each in values.pop("artifacts").items()}
            return cls(**values, artifacts=artifacts)
        except FileNotFoundError:
            raise RunnerError(f"{path}: there is no result; the run has not finished.") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunnerError(f"{path}: not a result of this version ({error}).") from None
