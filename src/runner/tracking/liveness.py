"""Liveness of the process that a status.json names."""

import os
import socket
from collections.abc import Mapping
from typing import Any


def is_elsewhere(status: Mapping[str, Any]) -> bool:
    """Return whether the run was started on another machine, whose processes cannot be seen from here."""
    return status.get("host") not in (None, socket.gethostname())


def is_alive(status: Mapping[str, Any]) -> bool:
    """Return whether the process that status.json names still runs on this machine."""
    if is_elsewhere(status):
        return False
    try:
        os.kill(int(str(status["pid"])), 0)
    except (KeyError, ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
