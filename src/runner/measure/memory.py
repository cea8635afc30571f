"""Memory that a call takes while it runs, as Linux accounts for it."""

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def working_memory(call: Callable[[], object]) -> int | None:
    """Return the bytes by which this process's resident memory rose above its level before `call`, at most.

    Weights and code that are loaded already do not count; call once before, so that they are. None where the system
    does not tell (anything but Linux).
    """
    before = start_counting()
    call()
    return rise_above(before)


def start_counting() -> int | None:
    """Return resident memory now, in bytes, and count its peak anew; None where the system does not tell."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)  # hand back what the allocator kept
    try:
        before = resident("VmRSS")
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return None
    return before


def rise_above(before: int | None) -> int | None:
    """Return the peak of resident memory above `before`, in bytes, since `start_counting`."""
    return None if before is None else max(0, resident("VmHWM") - before)


def resident(field: str) -> int:
    """Return a memory field of /proc/self/status (VmRSS: now, VmHWM: at the highest), in bytes.

    Raises:
        OSError: there is no such file or field.
    """
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {field}")
