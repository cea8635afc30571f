"""A sweep on disk: sweep.json names its jobs; what came of each lies in the job's own run directory."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.files import write_json
from runner.tracking import layout, lock
from runner.tracking.entries import read_entries

FILE = "sweep.json"
# Of a traceback this much is kept in sweep.json; all of it is in the job's console.log.
TAIL = 4000
WAITING, RUNNING, DONE, FAILED, INTERRUPTED, SKIPPED = "waiting", "running", "done", "failed", "interrupted", "skipped"


@dataclass
class Entry:
    """One job as sweep.json holds it.

    Attributes:
        settings: its configuration by dotted keys, to say what changed when it is not the same any more.
        state: as last seen; `Sweep.refresh` asks the run directory.
        traceback: the end of what a failed job printed.
    """

    number: int
    overrides: list[str]
    differs: list[str]
    identity: str
    settings: dict[str, Any] = field(default_factory=dict)
    state: str = WAITING
    error: str = ""
    traceback: str = ""
    exit_status: int | None = None

    @property
    def title(self) -> str:
        """What tells this job from the others."""
        return " ".join(self.differs) or "the plain run"


class Sweep:
    """The directory of a sweep. Every change is one whole file, so a kill at any moment leaves a readable one."""

    def __init__(self, path: Path, command: Sequence[str], entries: Sequence[Entry] = (), created: float = 0.0) -> None:
        self.path = path
        self.command = list(command)
        self.entries = {each.number: each for each in entries}
        self.created = created or time.time()

    @classmethod
    def load(cls, path: Path) -> "Sweep":
        """Read a sweep.

        Raises:
            RunnerError: there is none, or sweep.json is damaged or of another layout.
        """
        try:
            content = json.loads((path / FILE).read_text(encoding="utf-8"))
            known = {each.name for each in fields(Entry)}
            entries = [Entry(**{name: row[name] for name in known & row.keys()}) for row in content["jobs"]]
            for entry in entries:
                entry.settings = content["common"] | entry.settings
            return cls(path, content["command"], entries, content["created"])
        except OSError:
            raise RunnerError(f"{path}: no sweep (it holds no {FILE}).") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunnerError(f"{path / FILE}: damaged or of another version ({error}).") from None

    def save(self) -> None:
        """Write sweep.json in one step."""
        self.path.mkdir(parents=True, exist_ok=True)
        rows = [asdict(entry) for _, entry in sorted(self.entries.items())]
        common = in_all([row["settings"] for row in rows])
        for row in rows:
            row["settings"] = {key: value for key, value in row["settings"].items() if key not in common}
        content = {"command": self.command, "created": self.created, "common": common, "jobs": rows}
        write_json(self.path / FILE, content)

    def directory(self, number: int) -> Path:
        """Return the run directory of a job."""
        return self.path / str(number)

    def status(self, number: int) -> dict[str, Any]:
        """Return the job's status.json; empty where there is none."""
        return read_entries(self.directory(number) / layout.STATUS)

    def refresh(self, number: int) -> str:
        """Look into the run directory what has become of a job; what was killed counts as interrupted."""
        entry, status = self.entries[number], self.status(number)
        state = status.get("state")
        if state == DONE and (self.directory(number) / layout.RESULT).is_file():
            entry.state, entry.error, entry.traceback = DONE, "", ""
        elif state in ("running", "starting"):
            entry.state = RUNNING if lock.is_held(self.directory(number)) else INTERRUPTED
        elif state in (FAILED, INTERRUPTED):
            entry.state, entry.error = state, str(status.get("error") or "")
        elif entry.state == RUNNING:
            entry.state = INTERRUPTED
        elif entry.state == DONE:  # somebody removed the run directory: it is to be done again
            entry.state = WAITING
        return entry.state

    def ended(self, number: int, exit_status: int) -> Entry:
        """Note the end of a job."""
        entry = self.entries[number]
        entry.exit_status = exit_status
        state = self.refresh(number)
        if exit_status and state not in (FAILED, INTERRUPTED) and state != DONE:
            entry.state = FAILED  # it ended before it had a run directory to say so
        if entry.state == FAILED:
            entry.traceback = self.console_tail(number)
            entry.error = entry.error or last_line(entry.traceback) or f"ended with status {exit_status}"
        self.save()
        return entry

    def console_tail(self, number: int) -> str:
        """Return the end of what a job printed."""
        try:
            return (self.directory(number) / "console.log").read_text(encoding="utf-8", errors="replace")[-TAIL:]
        except OSError:
            return ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running the same sweep.

        Raises:
            RunnerError: one does already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with lock.held(self.path, "another process is running this sweep"):
            yield


def in_all(settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what these have in common; kept once, for a thousand jobs have most of it."""
    first, *rest = settings or [{}]
    missing = object()
    return {key: value for key, value in first.items() if all(each.get(key, missing) == value for each in rest)}


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def find(root: Path, command: Sequence[str]) -> Sweep | None:
    """Return the newest sweep below `root` that this very command started; None where there is none."""
    for path in sorted(root.glob(f"*/*/{FILE}"), reverse=True):
        try:
            sweep = Sweep.load(path.parent)
        except RunnerError:
            continue
        if sorted(sweep.command) == sorted(command):
            return sweep
    return None
