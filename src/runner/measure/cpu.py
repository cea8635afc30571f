"""Capabilities of this CPU in int8 and bf16."""

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
