"""State of a run that left no result."""

import socket
import time
from collections.abc import Mapping
from typing import Any

DONE = "done"
# Without these a result.json cannot be reported.
ENTRIES = ("name", "identity", "metrics", "seconds")
# States in which `python -m runner resume` goes on.
RESUMABLE = ("failed", "interrupted", "died")
LENGTH = 160


def missing_entries(result: Mapping[str, Any]) -> str:
    """Return the entries that a result.json lacks, in words; empty where it is complete."""
    missing = [name for name in ENTRIES if name not in result]
    return f"result.json has no {', '.join(missing)}" if missing else ""


def state_of(status: Mapping[str, Any], *, held: bool) -> tuple[str, str]:
    """Return state and reason of a run without a result.

    Args:
        status: its status.json; empty where there is none.
        held: whether a process holds the lock of its directory.
    """
    if not status:
        return "unfinished", "neither status.json nor result.json: it never began"
    state = status.get("state")
    if state in ("running", "starting"):
        return progress(status, held=held)
    if state in ("failed", "interrupted"):
        return state, first_line(status.get("error")) + stage(status)
    if state == DONE:
        return "damaged", "status.json says done, but there is no result.json"
    return "older layout", f"status.json knows no state {state!r}"


def progress(status: Mapping[str, Any], *, held: bool) -> tuple[str, str]:
    """Return "running" or "died": status.json of a killed process says running for ever."""
    host = status.get("host")
    place = f" on {host}" if host not in (None, socket.gethostname()) else ""
    process = f"process {status.get('pid', '(unknown)')}{place}"
    if held:
        return "running", f"{process}{since(status.get('started'))}{stage(status)}"
    return "died", f"{process} is gone{stage(status)}"


def stage(status: Mapping[str, Any]) -> str:
    """Return the stage of the run, as the end of a sentence."""
    return f", in stage {status['stage']}" if status.get("stage") else ""


def since(started: Any) -> str:
    """Return the start of the run, as part of a sentence."""
    if not isinstance(started, (int, float)):
        return ""
    try:
        return time.strftime(" since %Y-%m-%d %H:%M", time.localtime(started))
    except (ValueError, OverflowError, OSError):  # no moment that a calendar has
        return ""


def first_line(error: Any, nothing: str = "no reason recorded") -> str:
    """Return the first line of an error, cut to a readable length."""
    text = (str(error or "").strip().splitlines() or [nothing])[0]
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
