"""A sweep on disk: sweep.json names its jobs; what came of each lies in the job's own run directory."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.files import finite, write_text
from runner.files.reading import SWEEP_BYTES, SWEEP_NODES, parse_json, read_bytes
from runner.tracking import layout, lock
from runner.tracking.identity import flatten
from runner.tracking.result import read_entries

FILE = layout.SWEEP
# Of a traceback this much is kept in sweep.json; all of it is in the job's console.log.
TAIL = 4000
# A sweep that is written in so many seconds is written at every change.
AT_ONCE = 0.02
WAITING, RUNNING, DONE, FAILED, INTERRUPTED, SKIPPED = "waiting", "running", "done", "failed", "interrupted", "skipped"


@dataclass(slots=True)
class Entry:
    """One job as sweep.json holds it.

    Attributes:
        identity: of its configuration; empty as long as nobody looked at it, and where it has mistakes.
        settings: its configuration by dotted keys, to say what changed when it is not the same any more; kept of the
            first job with its choices.
        state: as last seen; `Sweep.refresh` asks the run directory.
        traceback: the end of what a failed job printed.
    """

    number: int
    overrides: list[str]
    differs: list[str]
    identity: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    state: str = WAITING
    error: str = ""
    traceback: str = ""
    exit_status: int | None = None

    @property
    def title(self) -> str:
        """What tells this job from the others."""
        return " ".join(self.differs) or "the plain run"


NAMES = [each.name for each in fields(Entry) if each.name != "settings"]


class Sweep:
    """The directory of a sweep. Every change is one whole file, so a kill at any moment leaves a readable one."""

    def __init__(self, path: Path, command: Sequence[str], entries: Sequence[Entry] = (), created: float = 0.0) -> None:
        self.path = path
        self.command = list(command)
        self.entries = {each.number: each for each in entries}
        self.created = created or time.time()
        self.kept: set[tuple[str, ...]] = set()
        self._written, self._took = 0.0, 0.0

    @classmethod
    def load(cls, path: Path) -> "Sweep":
        """Read a sweep.

        Raises:
            RunnerError: there is none, or sweep.json is damaged or of another layout.
        """
        try:
            content = parse_json(read_bytes(path / FILE, SWEEP_BYTES), SWEEP_NODES)
            known = {each.name for each in fields(Entry)}
            entries = [Entry(**{name: row[name] for name in known & row.keys()}) for row in content["jobs"]]
            for entry, row in zip(entries, content["jobs"], strict=True):
                if "settings" in row:
                    entry.settings = content["common"] | entry.settings
            return cls(path, content["command"], entries, content["created"])
        except OSError:
            raise RunnerError(f"{path}: no sweep (it holds no {FILE}).") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunnerError(f"{path / FILE}: damaged or of another version ({error}).") from None

    def save(self) -> None:
        """Write sweep.json in one step, with a line for each job."""
        began = time.monotonic()
        self.path.mkdir(parents=True, exist_ok=True)
        common = in_all([entry.settings for entry in self.entries.values() if entry.settings])
        head = {"command": self.command, "created": self.created, "common": finite(common)}
        rows = ",\n".join(json_row(entry, common) for _, entry in sorted(self.entries.items()))
        text = json.dumps(head, ensure_ascii=False, allow_nan=False)
        write_text(self.path / FILE, f'{text[:-1]},\n"jobs": [\n{rows}\n]}}\n')
        self._written = time.monotonic()
        self._took = self._written - began

    def save_soon(self) -> None:
        """Write it unless that would take a tenth of the time: the run directories of a large sweep know more."""
        if self._took < AT_ONCE or time.monotonic() - self._written > 10 * self._took:
            self.save()

    def keep_settings(self, number: int, chosen: Mapping[str, str], plain: Mapping[str, Any]) -> None:
        """Keep the settings of the first job with its choices: those of the others differ in their overrides."""
        if (choices := tuple(f"{group}={name}" for group, name in chosen.items())) not in self.kept:
            self.kept.add(choices)
            self.entries[number].settings = flatten(plain)

    def turned_away(self) -> set[tuple[str, ...]]:
        """Return the overrides of the jobs whose mistakes were found when others ran already."""
        return {tuple(each.overrides) for each in self.entries.values() if each.state == FAILED and not each.identity}

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
        self.save_soon()
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


def json_row(entry: Entry, common: Mapping[str, Any]) -> str:
    """Return a job as a line of sweep.json."""
    row = {name: getattr(entry, name) for name in NAMES}
    if entry.settings:
        row["settings"] = finite({key: value for key, value in entry.settings.items() if key not in common})
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


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
