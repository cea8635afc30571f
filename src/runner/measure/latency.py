"""Time several programs on the same inputs, in turn, so that a busy moment hits all of them; and what came of it."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.measure.nested import Nested

FEW_CHANNELS = "Networks of few channels spend their time on calls, not on arithmetic"
# A difference smaller than this is within what repeated measurements show.
TELLING = 1.05


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


def verdict(
    median_ms: Mapping[str, float], batch: int, subjects: Sequence[str] = ("int8",), reason: str = FEW_CHANNELS
) -> list[str]:
    """Return the sentences about one batch size.

    Args:
        median_ms: median latency by program: `eager`, `compiled`, perhaps `bf16`, and what was made of the network, by
            names such as `pruned` and `int8`, or `int8_openvino` where that runs in another runtime only.
        batch: the batch size measured.
        subjects: what was made of the network, the last of it last.
        reason: why the last of them may be no faster than the float network.
    """
    eager, compiled = median_ms["eager"], median_ms["compiled"]
    names = [program for subject in subjects if (program := run_as(subject, median_ms)) is not None]
    if not names:
        return [f"Batch {batch}: compiling makes the float network {eager / compiled:.2f} times as fast as eager."]
    gains = {name: compiled / median_ms[name] for name in names}
    name, gain = names[-1], gains[names[-1]]
    reasons = dict.fromkeys(names, FEW_CHANNELS) | {name: reason}
    sentences = [f"Batch {batch}: {gained(name, gains[name], median_ms, reasons[name])}" for name in names]
    if eager / compiled > max(gain, TELLING):
        sentences.append(
            f"Batch {batch}: compiling alone is worth {eager / compiled:.2f}, more than {name} adds ({gain:.2f}); "
            f"against eager float32 it would look {eager / median_ms[name]:.2f} times as fast."
        )
    bf16 = median_ms.get("bf16")
    if bf16 is not None and name != "bf16" and bf16 * TELLING < median_ms[name]:
        sentences.append(f"Batch {batch}: bfloat16 is faster still ({bf16:.3g} ms) and needs no calibration.")
    return sentences


def run_as(subject: str, median_ms: Mapping[str, float]) -> str | None:
    """Return the program that was timed of it: its own, else an exported file's."""
    return next((name for name in median_ms if name == subject or name.startswith(f"{subject}_")), None)


def gained(name: str, gain: float, median_ms: Mapping[str, float], reason: str) -> str:
    """Return one program's comparison with the compiled float network."""
    if gain >= TELLING:
        return f"{name} is {gain:.2f} times as fast as compiled float32."
    loss = "slower" if gain < 1 / TELLING else "no faster"
    return (
        f"{name} is {loss} than compiled float32 here ({median_ms[name]:.3g} against {median_ms['compiled']:.3g} ms). "
        f"{reason}: {name} saves bytes, not time."
    )
