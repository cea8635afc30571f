"""What this machine has: kinds of numbers that its processor multiplies, and the memory that work takes."""

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path

_WANTED = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
    "bf16",
)
RESET_PEAK = "5"


def instruction_sets(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return the vector instruction sets that matter to inference, as Linux names them; empty elsewhere."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ()
    flags = next((set(line.split()) for line in lines if line.lower().startswith(("flags", "features"))), set())
    return tuple(name for name in _WANTED if name in flags)


def has_integer_dot_product(sets: tuple[str, ...] | None = None) -> bool:
    """Return whether int8 products can't overflow: VNNI or AMX on x86, dot product on Arm.

    Without, use reduce_range.
    """
    sets = instruction_sets() if sets is None else sets
    return not sets or any(name in sets for name in ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"))


def has_bfloat16(sets: tuple[str, ...] | None = None) -> bool:
    """Return whether bfloat16 products run in hardware."""
    sets = instruction_sets() if sets is None else sets
    return any(name in sets for name in ("avx512_bf16", "amx_bf16", "bf16"))


STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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
