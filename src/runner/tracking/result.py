"""RunResult: what came of a run, flat and stable, as result.json holds it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.compression.constraints import mistakes
from runner.errors import RunnerError
from runner.files import write_json
from runner.files.reading import parse_json, read_bytes
from runner.tracking.entries import RecordEntries

# The metric that says how many test samples the metrics of testing are over.
TESTED = "data/tested_samples"


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
