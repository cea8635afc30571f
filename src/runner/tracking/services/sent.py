"""What a service was sent of a run, as `tracking.json` in the run directory has it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.files.reading import parse_json, read_bytes
from runner.tracking import layout
from runner.tracking.run_directory import RunDirectory


@dataclass
class Sent:
    """How far a service knows a run.

    Attributes:
        run: what the service calls it; "" before it was begun.
        bytes: of metrics.csv.
        files: of each that was sent its bytes and when it was changed (ns).
    """

    run: str = ""
    bytes: int = 0
    files: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, record: RunDirectory, service: str) -> "Sent":
        """Return what the record says of a service; nothing where it says nothing, or was damaged."""
        found = noted(record).get(service)
        if not isinstance(found, dict) or not isinstance(found.get("run"), str):
            return cls()
        files = found.get("files")
        size = found.get("bytes")
        return cls(found["run"], size if isinstance(size, int) else 0, files if isinstance(files, dict) else {})

    def write(self, record: RunDirectory, service: str) -> None:
        """Put it into the record."""
        record.write_json(layout.TRACKING, {**noted(record), service: asdict(self)})

    def is_new(self, name: str, path: Path) -> bool:
        """Return whether a file was not sent as it is now."""
        return self.files.get(name) != state_of(path)

    def note(self, name: str, path: Path) -> None:
        """Note that a file was sent."""
        self.files[name] = state_of(path)


def shorten(record: RunDirectory, size: int) -> None:
    """Note that metrics.csv lost all that lay behind its first `size` bytes."""
    for service in noted(record):
        sent = Sent.read(record, service)
        sent.bytes = min(sent.bytes, size)
        sent.write(record, service)


def state_of(path: Path) -> list[int]:
    """Return a file's bytes, and when it was changed (ns)."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def noted(record: RunDirectory) -> dict[str, Any]:
    """Return the content of tracking.json by service; empty where there is none that can be read."""
    try:
        found = parse_json(read_bytes(record.path / layout.TRACKING))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
