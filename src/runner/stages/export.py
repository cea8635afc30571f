"""Export: files that another process can load and run, each compared with the network it came from."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from runner import nested
from runner.compression.files.formats import FLOAT, FORMATS, WEIGHTS, chosen, is_structured, kind_of, run_in_batches
from runner.compression.meta import without_values
from runner.compression.quantization.backends.support import back_end
from runner.compression.quantization.program.lower import obstacle
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.weights.network import WeightOnlyNetwork
from runner.errors import RunnerError
from runner.job.job import Job
from runner.measure.error import sqnr
from runner.nested import Nested
from runner.tracking.console import console

# Below this a file does not compute what the network computes; rounding differences stay far above it.
LEAST_SQNR_DB = 25.0
# Runtimes round in other places than the program; in deep networks that adds up. No harm where it stays as close to
# the float network as the program does.
FURTHER_FROM_FLOAT_DB = 3.0


def export(job: Job) -> None:
    """Writes one file of each chosen format into `artifacts/`, loads it and compares outputs.

    Raises:
        RunnerError: a format that cannot be had, or a file that answers differently.
    """
    job.datamodule.fix_shape()
    example = nested.to(job.datamodule.example(2), "cpu")
    network = job.float_network if job.float_network is not None else job.task.standalone()
    formats = chosen(job.config.export.formats, lowering(job), kind(job), partial(is_structured, network, example))
    name = job.compressed.title if job.compressed is not None else job.smaller or "float"
    for each in formats:
        path = job.record.path / "artifacts" / f"{name}{FORMATS[each].suffix}"
        FORMATS[each].save(network, job.compressed, example, path)
        agreement = check(job, network, each, path, example)
        size = sum(file.stat().st_size for file in FORMATS[each].files(path))
        job.keep(f"{name}_{each}", path)
        job.artifacts[f"{name}_{each}"] = replace(job.artifacts[f"{name}_{each}"], bytes=size)
        job.metrics[f"export/{each}/sqnr_db"] = agreement
        console.print(f"export  {path.name}  {size:,} bytes, {agreement:.0f} dB against the program")


def lowering(job: Job) -> str | None:
    """Who runs this run's int8 program; None where the network is float. A program for another machine runs nowhere."""
    if not isinstance(job.compressed, QuantizedNetwork):
        return None
    row = back_end(job.compressed.back_end)
    return "elsewhere" if row.lowering == "inductor" and obstacle(job.compressed.back_end) else row.lowering


def kind(job: Job) -> str:
    """What kind of program this run exports; see `formats.KINDS`."""
    settings = job.config.quantization
    if isinstance(job.compressed, WeightOnlyNetwork):
        return WEIGHTS
    if not isinstance(job.compressed, QuantizedNetwork):
        return FLOAT
    return kind_of({settings.kind, *(settings.per_layer or {}).values()})


def check(job: Job, network: nn.Module, name: str, path: Path, example: Nested) -> float:
    """Agreement of a written file with the network in memory, in dB (capped at 200).

    Raises:
        RunnerError: the file answers differently.
    """
    program = job.compressed.program if job.compressed is not None else network
    with torch.no_grad():
        wanted = program(example)
        loaded = FORMATS[name].load(path, partial(without_values, network))
        got = run_in_batches(name, loaded, example, nested.samples(example))
    agreement = min(sqnr(wanted, got), 200.0)
    least = 10.0 if job.compressed is not None and job.compressed.recipe == "dynamic" else LEAST_SQNR_DB
    if agreement < least and not as_close_to_float(job, example, wanted, got):
        raise RunnerError(f"{path}: answers differently from the network it was written from ({agreement:.1f} dB).")
    return agreement


def as_close_to_float(job: Job, example: Nested, wanted: Nested, got: Nested) -> bool:
    """Whether what a file answers is about as near to the float network as what the int8 program answers."""
    if job.float_network is None:
        return False
    with torch.no_grad():
        floating = job.float_network(example)
    return sqnr(floating, got) > sqnr(floating, wanted) - FURTHER_FROM_FLOAT_DB
