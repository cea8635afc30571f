"""Export: files that another process can load and run, each compared with the network it came from."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from runner.compression.files.file_format import FileFormat
from runner.compression.files.formats import chosen, is_structured, run_in_batches
from runner.compression.meta import without_values
from runner.compression.program_kinds import FLOAT
from runner.compression.quantization.backends.support import back_end
from runner.compression.quantization.program.lower import obstacle
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError
from runner.files import sha256, write_json
from runner.job.context import Context
from runner.job.formats import known_formats
from runner.job.networks import Networks, StageResult
from runner.job.serving import file_told, told
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested
from runner.stages.parts.pruning_context import example as example_inputs
from runner.stages.parts.quantization_recipe import quantization_recipe
from runner.tracking.console import console
from runner.tracking.layout import SERVING
from runner.tracking.result import ArtifactFile

# Below this a file does not compute what the network computes; rounding differences stay far above it.
LEAST_SQNR_DB = 25.0
# Below this a sample's answer depends on what else is in its batch, which a server must not put together.
ALONE_SQNR_DB = 60.0
# Runtimes round in other places than the program; in deep networks that adds up. No harm where it stays as close to
# the float network as the program does.
FURTHER_FROM_FLOAT_DB = 3.0


def export(context: Context, networks: Networks) -> StageResult:
    """Write one file of each chosen format into `artifacts/`, load it and compare outputs.

    Raises:
        RunnerError: a format that cannot be had, or a file that answers differently.
    """
    context.datamodule.fix_shape()
    example = nested.to(context.datamodule.example(2), "cpu")
    network, quantized = networks.floating, networks.quantized
    name = quantized.title if quantized is not None else networks.smaller_phase or "float"
    metrics: dict[str, float] = {}
    artifacts: dict[str, ArtifactFile] = {}
    serving = told(context.datamodule, networks.task.eval(), example, outputs_of(networks, example))
    known, structured = known_formats(context.config), partial(is_structured, network, example)
    names = chosen(known, context.config.export.formats, lowering(networks), kind(context, networks), structured)
    for each in context.signals.between(names):
        path = context.artifacts / f"{name}{known[each].suffix}"
        known[each].save(network, quantized, example, path)
        agreement, answered = check(networks, known[each], path, example)
        size = sum(file.stat().st_size for file in known[each].files(path))
        entry = replace(context.artifact(path), bytes=size, network=name, format=each, sha256=sha256(path))
        artifacts[f"{name}_{each}"] = entry
        serving["files"][f"{name}_{each}"] = answered
        metrics[f"export/{each}/sqnr_db"] = agreement
        console.print(f"export  {path.name}  {size:,} bytes, {agreement:.0f} dB against the program")
    path = context.artifacts / SERVING
    write_json(path, serving)
    return StageResult(metrics, {**artifacts, "serving": context.artifact(path)})


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError for a format that cannot be had, or cannot hold what this run will have made by then."""
    config, stages, known = context.config, list(context.config.stages), known_formats(context.config)
    structured = partial(is_structured, networks.task.standalone(), example_inputs(context))
    if "compress" not in stages[: stages.index("export")]:
        chosen(known, config.export.formats, structured=structured)
        return
    recipe = quantization_recipe(config.quantization)
    chosen(known, config.export.formats, recipe.lowering, recipe.program_kind, structured)


def lowering(networks: Networks) -> str | None:
    """Return who runs this run's int8 program.

    None where the network is float. A program for another machine runs nowhere.
    """
    if not isinstance(networks.quantized, QuantizedNetwork):
        return None
    row = back_end(networks.quantized.back_end)
    return "elsewhere" if row.lowering == "inductor" and obstacle(networks.quantized.back_end) else row.lowering


def kind(context: Context, networks: Networks) -> str:
    """Return what kind of program this run exports; see `program_kinds`."""
    if networks.quantized is None:
        return FLOAT
    made: str = quantization_recipe(context.config.quantization).program_kind
    return made


def outputs_of(networks: Networks, example: Nested) -> Nested:
    """Return what the network in memory answers, made smaller and quantized as it is."""
    program = networks.quantized.program if networks.quantized is not None else networks.floating
    with torch.no_grad():
        return program(example)


def check(networks: Networks, form: FileFormat, path: Path, example: Nested) -> tuple[float, dict[str, Any]]:
    """Return agreement of a written file with the network in memory, in dB (capped at 200), and what serving must know.

    Raises:
        RunnerError: the file answers differently.
    """
    network = networks.floating
    wanted = outputs_of(networks, example)
    with torch.no_grad():
        loaded = form.load(path, partial(without_values, network))
        got = run_in_batches(form.batch, loaded, example, nested.samples(example))
        single = run_in_batches(form.batch, loaded, nested.head(example, 1), 1)
    agreement = min(sqnr(wanted, got), 200.0)
    least = 10.0 if networks.quantized is not None and networks.quantized.recipe == "dynamic" else LEAST_SQNR_DB
    if agreement < least and not as_close_to_float(networks, example, wanted, got):
        raise RunnerError(f"{path}: answers differently from the network it was written from ({agreement:.1f} dB).")
    alone = sqnr(nested.head(got, 1), single) < ALONE_SQNR_DB
    return agreement, file_told(form.batch, got, alone=alone)


def as_close_to_float(networks: Networks, example: Nested, wanted: Nested, got: Nested) -> bool:
    """Return whether what a file answers is about as near to the float network as what the int8 program answers."""
    if networks.floating is None:
        return False
    with torch.no_grad():
        floating = networks.floating(example)
    return sqnr(floating, got) > sqnr(floating, wanted) - FURTHER_FROM_FLOAT_DB
