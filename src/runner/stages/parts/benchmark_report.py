"""What a benchmark found, as a table, as sentences and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from runner.measure.latency import Latency
from runner.measure.machine import instruction_sets
from runner.tracking.console import console

Memory = dict[int, dict[str, int | None]]
EXACT_DB = 199.0
HEADINGS = ("program", "median ms", "quartiles", "vs eager", "vs compiled", "MB", "equal", "SQNR dB")


@dataclass(frozen=True)
class Findings:
    """One benchmark.

    Attributes:
        latency: by batch size and program.
        memory: bytes of working memory, by batch size and program.
        bytes: size of each file on disk.
        agreement: by program, the share of predictions equal to eager float32's and the outputs' SQNR in dB.
        sentences: what the numbers mean.
    """

    latency: dict[int, dict[str, Latency]]
    memory: Memory
    bytes: dict[str, int]
    agreement: dict[str, tuple[float, float]]
    sentences: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the same with the machine it was measured on."""
        return {
            "threads": torch.get_num_threads(),
            "instruction_sets": list(instruction_sets()),
            "latency_ms": {
                str(batch): {name: asdict(each) for name, each in row.items()} for batch, row in self.latency.items()
            },
            "working_memory_bytes": {str(batch): used for batch, used in self.memory.items()},
            "bytes": self.bytes,
            "agreement": {name: {"equal": share, "sqnr_db": db} for name, (share, db) in self.agreement.items()},
            "verdict": self.sentences,
        }


def show(findings: Findings) -> None:
    """One table a batch size, then the files, then the sentences."""
    machine = f"{torch.get_num_threads()} threads, {', '.join(instruction_sets()) or 'no telling instruction set'}"
    for batch, row in findings.latency.items():
        console.print(f"Batch {batch}, {machine}; MB is working memory above the weights", soft_wrap=True)
        console.print(table(row, findings.memory[batch], findings.agreement))
    base = findings.bytes.get("float_program")
    for name, size in findings.bytes.items():
        ratio = f" ({size / base:.3f} of the float program)" if base and name != "float_program" else ""
        console.print(f"{name}: {size:,} bytes{ratio}")
    for line in findings.sentences:
        console.print(line, soft_wrap=True)


def table(row: dict[str, Latency], memory: dict[str, int | None], agreement: dict[str, tuple[float, float]]) -> Table:
    """Return the programs of one batch size, each speed-up under its baseline."""
    result = Table(box=None, pad_edge=False)
    for heading in HEADINGS:
        result.add_column(heading, justify="left" if heading == "program" else "right", no_wrap=True)
    for name, each in row.items():
        share, decibel = agreement.get(name, (1.0, EXACT_DB))
        used = memory[name]
        result.add_row(
            name,
            f"{each.median_ms:.3f}",
            f"{each.lower_ms:.3f}–{each.upper_ms:.3f}",
            f"{row['eager'].median_ms / each.median_ms:.2f}×",
            f"{row['compiled'].median_ms / each.median_ms:.2f}×",
            "–" if used is None else f"{used / 2**20:.1f}",
            f"{share:.1%}",
            "exact" if decibel >= EXACT_DB else f"{decibel:.1f}",
        )
    return result
