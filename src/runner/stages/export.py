"""Export: files that another process can load and run, each compared with the network it came from."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from runner.compression.files.file_format import FileFormat, can_be_captured, program_of
from runner.compression.files.formats import chosen, is_structured, run_in_batches
from runner.compression.meta import without_values
from runner.compression.network import CompressedNetwork
from runner.compression.program_kinds import FLOAT, WEIGHTS
from runner.compression.quantization.backends.support import back_end
from runner.compression.quantization.program.lower import obstacle
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError
from runner.files import sha256
from runner.job.context import Context
from runner.job.formats import known_formats
from runner.job.networks import Networks, StageResult
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested
from runner.stages.parts.decoded import IMAGES, LEAST_SHARE, WithBoxes, decoder_of, equal_boxes, with_decoder
from runner.stages.parts.pruning_context import example as example_inputs
from runner.stages.parts.quantization_recipe import quantization_recipe
from runner.tracking.console import console
from runner.tracking.result import ArtifactFile

# Below this a file does not compute what the network computes; rounding differences stay far above it.
LEAST_SQNR_DB = 25.0
# Runtimes round in other places than the program; in deep networks that adds up. No harm where it stays as close to
# the float network as the program does.
FURTHER_FROM_FLOAT_DB = 3.0


@dataclass(frozen=True)
class Exported:
    """What a run exports.

    Attributes:
        name: of its files.
        network, compressed: see `FileFormat.save`.
        least: for files that answer with boxes, from which score on they count; None where they answer as the network.
    """

    name: str
    network: nn.Module
    compressed: CompressedNetwork | None
    least: float | None = None


def export(context: Context, networks: Networks) -> StageResult:
    """Write one file of each chosen format into `artifacts/`, load it and compare outputs.

    Raises:
        RunnerError: a format that cannot be had, or a file that answers differently.
    """
    context.datamodule.fix_shape()
    example = nested.to(context.datamodule.example(2), "cpu")
    exported = what_is_exported(context, networks, example)
    metrics: dict[str, float] = {}
    artifacts: dict[str, ArtifactFile] = {}
    known, structured = known_formats(context.config), partial(is_structured, exported.network, example)
    made, captured = kind(context, networks), can_be_captured(exported.network)
    names = chosen(known, context.config.export.formats, lowering(networks), made, structured, captured)
    for each in context.signals.between(names):
        path = context.artifacts / f"{exported.name}{known[each].suffix}"
        known[each].save(exported.network, exported.compressed, example, path)
        if exported.least is None:
            agreement = check(networks, known[each], path, example)
            metrics[f"export/{each}/sqnr_db"] = agreement
            said = f"{agreement:.0f} dB against the program"
        else:
            agreement = check_boxes(context, exported, known[each], path)
            metrics[f"export/{each}/equal_boxes"] = agreement
            said = f"{agreement:.1%} of the program's boxes"
        size = sum(file.stat().st_size for file in known[each].files(path))
        entry = replace(context.artifact(path), bytes=size, network=exported.name, format=each, sha256=sha256(path))
        artifacts[f"{exported.name}_{each}"] = entry
        console.print(f"export  {path.name}  {size:,} bytes, {said}")
    return StageResult(metrics, artifacts)


def what_is_exported(context: Context, networks: Networks, example: Nested) -> Exported:
    """Return the network that the run ended with; with `export.decode` also what makes boxes of its outputs."""
    network, quantized = networks.floating, networks.quantized
    name = quantized.title if quantized is not None else networks.smaller_phase or "float"
    if not context.config.export.get("decode", False):
        return Exported(name, network, quantized)
    decoder = decoder_of(networks.task, network, example)
    whole, compressed = with_decoder(network, quantized, decoder, example)
    return Exported(f"{name}_boxes", whole, compressed, float(decoder.least))  # type: ignore[arg-type]


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError for a format that cannot be had, or cannot hold what this run will have made by then."""
    config, stages, known = context.config, list(context.config.stages), known_formats(context.config)
    network, example = networks.task.standalone(), example_inputs(context)
    if config.export.get("decode", False):
        network = WithBoxes(network, decoder_of(networks.task, network, example))
    structured = partial(is_structured, network, example)
    if "compress" not in stages[: stages.index("export")]:
        chosen(known, config.export.formats, structured=structured, captured=can_be_captured(network))
        return
    recipe = quantization_recipe(config.quantization)
    if config.export.get("decode", False) and recipe.program_kind == WEIGHTS:
        raise RunnerError(
            "export.decode=true: files of weights in few bits hold no more than the network; leave it out, or choose "
            "another quantization."
        )
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


def check(networks: Networks, form: FileFormat, path: Path, example: Nested) -> float:
    """Return agreement of a written file with the network in memory, in dB (capped at 200).

    Raises:
        RunnerError: the file answers differently.
    """
    network = networks.floating
    program = networks.quantized.program if networks.quantized is not None else network
    with torch.no_grad():
        wanted = program(example)
        loaded = form.load(path, partial(without_values, network))
        got = run_in_batches(form.batch, loaded, example, nested.samples(example))
    agreement = min(sqnr(wanted, got), 200.0)
    least = 10.0 if networks.quantized is not None and networks.quantized.recipe == "dynamic" else LEAST_SQNR_DB
    if agreement < least and not as_close_to_float(networks, example, wanted, got):
        raise RunnerError(f"{path}: answers differently from the network it was written from ({agreement:.1f} dB).")
    return agreement


def check_boxes(context: Context, exported: Exported, form: FileFormat, path: Path) -> float:
    """Return the share of the boxes in some test images that a written file has like the program it was written from.

    Raises:
        RunnerError: the file answers differently.
    """
    inputs = nested.to(context.datamodule.example(IMAGES), "cpu")
    program, least = program_of(exported.network, exported.compressed), exported.least or 0.0
    loaded = form.load(path, partial(without_values, exported.network))
    with torch.no_grad():
        wanted, floating = program(inputs), exported.network(inputs)
        got = run_in_batches(form.batch, loaded, inputs, len(inputs))
    share = equal_boxes(wanted, got, least)
    # Runtimes round integers in other places; no harm where the boxes stay as near to the float network's.
    if share < LEAST_SHARE and equal_boxes(floating, got, least) < equal_boxes(floating, wanted, least):
        raise RunnerError(f"{path}: has only {share:.1%} of the boxes of the network it was written from.")
    return share


def as_close_to_float(networks: Networks, example: Nested, wanted: Nested, got: Nested) -> bool:
    """Return whether what a file answers is about as near to the float network as what the int8 program answers."""
    if networks.floating is None:
        return False
    with torch.no_grad():
        floating = networks.floating(example)
    return sqnr(floating, got) > sqnr(floating, wanted) - FURTHER_FROM_FLOAT_DB
