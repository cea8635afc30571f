"""Export: files that another process can load and run, each compared with the network it came from."""

from pathlib import Path

import torch
from torch import Tensor, nn

from runner.compression.formats import FORMATS, chosen, run_in_batches
from runner.compression.quantization.pt2e.analysis import sqnr
from runner.compression.quantization.pt2e.support import back_end
from runner.errors import RunnerError
from runner.job import Job
from runner.tracking.console import console

# Below this a file does not compute what the network computes; rounding differences stay far above it.
LEAST_SQNR_DB = 25.0


def export(job: Job) -> None:
    """Writes one file of each chosen format into `artifacts/`, loads it and compares outputs.

    Raises:
        RunnerError: a format that cannot be had, or a file that answers differently.
    """
    job.datamodule.fix_shape()
    example = job.datamodule.example(2).cpu()
    network = job.float_network or job.task.standalone()
    name = "int8" if job.quantized is not None else "float"
    for each in chosen(job.config.export.formats, lowering(job)):
        path = job.record.path / "artifacts" / f"{name}{FORMATS[each].suffix}"
        FORMATS[each].save(network, job.quantized, example, path)
        agreement = check(job, network, each, path, example)
        job.keep(f"{name}_{each}", path)
        job.metrics[f"export/{each}/sqnr_db"] = agreement
        console.print(f"export  {path.name}  {path.stat().st_size:,} bytes, {agreement:.0f} dB against the program")


def lowering(job: Job) -> str | None:
    """Who runs this run's int8 program; None where the network is float. A program for another machine runs nowhere."""
    if job.quantized is None:
        return None
    return "inductor" if job.quantized.compiled is not None else back_end(job.quantized.back_end).lowering


def check(job: Job, network: nn.Module, name: str, path: Path, example: Tensor) -> float:
    """Agreement of a written file with the network in memory, in dB (capped at 200).

    Raises:
        RunnerError: the file answers differently.
    """
    program = job.quantized.program if job.quantized is not None else network
    with torch.no_grad():
        wanted = program(example)
        got = run_in_batches(name, FORMATS[name].load(path), example, len(example))
    agreement = min(sqnr(wanted, got), 200.0)
    least = 10.0 if job.quantized is not None and job.quantized.recipe == "dynamic" else LEAST_SQNR_DB
    if agreement < least:
        raise RunnerError(f"{path}: answers differently from the network it was written from ({agreement:.1f} dB).")
    return agreement
