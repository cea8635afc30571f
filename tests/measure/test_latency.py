"""Timing, and what the CPU can do, against values known beforehand."""

from itertools import count
from pathlib import Path

import torch

from runner.measure.latency import time_interleaved
from runner.measure.machine import has_bfloat16, has_integer_dot_product, instruction_sets


def test_programs_are_timed_in_turn_each_after_a_call_that_is_not() -> None:
    calls: list[str] = []
    ticks = (float(tick) for tick in count())
    programs = {name: lambda inputs, name=name: calls.append(name) for name in ("a", "b")}
    found = time_interleaved(programs, torch.zeros(1), runs=6, warmup=1, seconds=1e9, clock=lambda: next(ticks))
    assert calls == ["a", "b"] + ["a", "a", "b", "b"] * 6
    assert (found["a"].median_ms, found["a"].lower_ms, found["a"].runs) == (1000, 1000, 6)


def test_timing_stops_when_its_seconds_are_used_up() -> None:
    ticks = (float(tick) for tick in count())
    found = time_interleaved({"a": lambda inputs: None}, torch.zeros(1), runs=100, seconds=3, clock=lambda: next(ticks))
    assert found["a"].runs == 5


def test_instruction_sets_are_read_from_cpuinfo(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("model name : z\nflags : fpu avx2 avx512f avx512_vnni\n")
    sets = instruction_sets(tmp_path / "cpuinfo")
    assert sets == ("avx2", "avx512f", "avx512_vnni")
    assert has_integer_dot_product(sets) and not has_bfloat16(sets)
    assert not has_integer_dot_product(("avx2",))
