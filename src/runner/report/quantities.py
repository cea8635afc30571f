"""The numbers of a run that a report can show and sort by, and how settings and numbers are written."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from runner.report.ranking.outcome import quantity
from runner.report.runs import RunRecord

PARAMETERS = "parameters"
MACS = "benchmark/float/macs"
# The lower the better, by the last part of the name; of all other metrics the higher.
COSTS = re.compile(
    r"(loss|error|mse|rmse|mae|mape|perplexity|drop|distance|divergence|latency\w*|(\w+_)?bytes|(\w+_)?seconds"
    r"|(\w+_)?parameters|trainable_share|macs"
    r"|(\w+_)?error|(\w+_)?loss)"
)
# Decimals of a column whose largest value is below 10; a larger one has fewer.
DECIMALS = 4
WHOLE = 1e15
UNITS = ("B", "kB", "MB", "GB", "TB")
# What fine-tuning trained, and what that took.
FINE_TUNING = tuple(
    f"finetune/{name}"
    for name in ("trainable_share", "peak_memory_bytes", "stored_bytes", "step_seconds", "latency_ms")
)
LATENCY = re.compile(r"benchmark/(\w+)/latency_ms/batch_(\d+)")


def quantities(run: RunRecord) -> dict[str, float]:
    """Return metrics, `parameters`, `seconds/fit` … `seconds/total`, and `bytes/int8_program` … by artifact."""
    known: dict[str, float] = dict(run.metrics)
    if run.parameters is not None:
        known[PARAMETERS] = run.parameters
    known |= {f"seconds/{stage}": value for stage, value in run.seconds.items()}
    return known | {f"bytes/{name}": size for name, size in run.artifacts.items()}


def is_cost(name: str) -> bool:
    """Return whether less is better, by its name: `test/loss`, `benchmark/int8/latency_ms/batch_1`."""
    return any(COSTS.fullmatch(part) for part in name.split("/"))


@cache
def heading(name: str) -> str:
    """Return a quantity's name as the head of a column."""
    if latency := LATENCY.fullmatch(name):
        return f"{latency[1]} ms, batch {latency[2]}"
    if name == MACS:
        return "MACs"
    kind, _, rest = name.partition("/")
    if kind == "finetune":
        return rest.replace("_", " ").replace("trainable", "trained")
    if kind == "bytes":
        return f"{rest} bytes"
    if kind == "seconds":
        return "seconds" if rest == "total" else f"{rest} seconds"
    return name


def places(name: str, values: Iterable[float]) -> int | None:
    """Return the decimals of the column of a quantity; see `decimals`."""
    return 1 if name.startswith("seconds/") else decimals(values)


def worth_showing(rows: Sequence[Mapping[str, float]], metric: str) -> list[str]:
    """Return the columns of a table, the most telling first: the metric, of compressed networks, then latency.

    Args:
        rows: the quantities of each run.
        metric: what the table is ranked by.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    base = quantity(metric)
    programs = latencies(names)
    chosen = [
        metric,
        *(name for name in (f"final/{base}", f"test/{base}") if name in names),
        *sorted(name for name in names if name.startswith("gain/")),
        *programs,
        *([MACS] if differ(row.get(MACS) for row in rows) else []),
        *(name for name in names if re.fullmatch(r"bytes/(int8|float)_program", name)),
        *(name for name in FINE_TUNING if name in names),
        *sorted((name for name in names if name.startswith("test/")), key=is_cost),
        *(name for name in (PARAMETERS, "seconds/total") if differ(row.get(name) for row in rows)),
    ]
    return [name for name in dict.fromkeys(chosen) if name]


def latencies(names: Iterable[str]) -> list[str]:
    """Return the latencies of the compressed program, or of the compiled one, by batch size."""
    found = [match for name in names if (match := LATENCY.fullmatch(name))]
    for program in ("int8", "compiled"):
        if own := [match for match in found if match[1] == program]:
            return [match[0] for match in sorted(own, key=lambda match: int(match[2]))]
    return []


def differ(values: Iterable[float | None]) -> bool:
    """Return whether there are several different values."""
    return len({*values} - {None}) > 1


def show(value: Any) -> str:
    """Write a setting as on the command line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str).replace('"', "")


def decimals(values: Iterable[float]) -> int | None:
    """Return the decimals of the numbers of one column; None where each is best written by itself.

    Whole numbers get none, shares and losses four, latencies of tens of milliseconds three.
    """
    known = [abs(value) for value in values]
    if all(value == int(value) and value < WHOLE for value in known) and any(value > 1 for value in known):
        return 0
    largest = max(known, default=0.0)
    if largest >= WHOLE or 0 < largest < 10**-DECIMALS:
        return None
    return max(0, DECIMALS - max(0, math.floor(math.log10(largest)))) if largest else DECIMALS


def number(value: float, places: int | None) -> str:
    """Write a number with its column's decimals; one that would vanish among them in two digits of its own."""
    if places is None or (value and abs(value) < 0.5 * 10**-places):
        return f"{value:.2g}" if places is not None else f"{value:.4g}"
    return f"{value:,.{places}f}"


def size_words(size: float) -> str:
    """Return `12.3 MB`."""
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit else f"{size:.0f} B"
