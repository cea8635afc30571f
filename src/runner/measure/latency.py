"""Time several programs on the same inputs, in turn, so that a busy moment hits all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.measure.nested import Nested


@dataclass(frozen=True)
class Latency:
    """Milliseconds per call: median, lower and upper quartile, fastest; and how many calls were timed."""

    median_ms: float
    lower_ms: float
    upper_ms: float
    fastest_ms: float
    runs: int


def time_interleaved(
    programs: Mapping[str, Callable[[Nested], Any]],
    inputs: Nested,
    runs: int = 30,
    warmup: int = 3,
    seconds: float = 30.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Return the latency of each program on `inputs` (N, …): two calls of each in turn, `runs` times.

    Only the second is timed: the first one meets the caches, the threads and the memory as another program left them,
    and that can cost half as much again (compiled float32 after ONNX Runtime: 8.9 ms, after itself 5.8 ms).

    Stops early, after at least five rounds, when `seconds` of timing are used up. `clock` returns seconds.
    """
    for program in programs.values():
        for _ in range(warmup):
            program(inputs)
    taken: dict[str, list[float]] = {name: [] for name in programs}
    start = clock()
    for done in range(runs):
        if done >= 5 and clock() - start > seconds:
            break
        for name, program in programs.items():
            program(inputs)
            before = clock()
            program(inputs)
            taken[name].append(1e3 * (clock() - before))
    return {name: _summary(times) for name, times in taken.items()}


def _summary(times: list[float]) -> Latency:
    if len(times) == 1:
        return Latency(times[0], times[0], times[0], times[0], 1)
    lower, median, upper = statistics.quantiles(times, n=4, method="inclusive")
    return Latency(median, lower, upper, min(times), len(times))
