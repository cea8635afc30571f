"""What this machine has: cores and how they are waited for, numbers that it multiplies, and memory that work takes."""

import contextlib
import ctypes
import os
from collections.abc import Callable, MutableMapping
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


CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
THREADS, WAITING, SPINS = "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
# Turns that a thread of GNU's OpenMP waits awake for the others, a few microseconds, before it sleeps. Its own 300,000
# hold a core that somebody else needs: a step of 5 ms takes 120 to 590 ms beside busy processes.
FEW_SPINS = "3000"


def cores() -> float:
    """Return how many cores this process may use: those it is bound to, fewer where its control group has a quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(bound), *quotas()])


def quotas(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> list[float]:
    """Return the quotas of this process's control group (of either version) and of those around it, in cores."""
    found = []
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        place = (root / controllers if controllers else root) / name.lstrip("/")
        for folder in (place, *place.parents):
            with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                found += [quota_of(folder)] if folder.is_relative_to(root) else []
    return [each for each in found if each > 0]


def quota_of(folder: Path) -> float:
    """Return the quota of one control group, in cores; 0 where it has none.

    Raises:
        OSError, ValueError: the folder tells of no processor's time.
    """
    if (folder / "cpu.max").is_file():
        quota, period = (folder / "cpu.max").read_text().split()
        return 0.0 if quota == "max" else int(quota) / int(period)
    return int((folder / "cpu.cfs_quota_us").read_text()) / int((folder / "cpu.cfs_period_us").read_text())


def share_cores(environment: MutableMapping[str, str] = os.environ) -> None:
    """Say to OpenMP, before torch is imported and reads it, how many threads there are and how long they wait awake.

    What the user says of either holds. Where a quota limits this process, there are no more threads than whole cores in
    it: all of a step would wait for one that is held up.
    """
    if quotas():
        environment.setdefault(THREADS, str(max(1, int(cores()))))
    if WAITING not in environment:
        environment.setdefault(SPINS, FEW_SPINS)


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
