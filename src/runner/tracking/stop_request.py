"""A request to end a training early, left as a file by whoever watches the run from outside."""

from pathlib import Path

FILE = "stop_request"


def request_stop(directory: Path, reason: str) -> None:
    """Ask the run in `directory` to train no further; `reason` ends up in its status.json as `stopped`."""
    (directory / FILE).write_text(reason, encoding="utf-8")


def stop_requested(directory: Path) -> str | None:
    """Return the reason for which the run in `directory` is to stop; None while nobody asks."""
    try:
        return (directory / FILE).read_text(encoding="utf-8")
    except OSError:
        return None
