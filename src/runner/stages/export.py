"""Export: files that another process can load and run, each compared with the network it came from."""

from dataclasses import replace
from functools import partial

from runner.compression.files.file_format import can_be_captured
from runner.compression.files.formats import chosen, is_structured
from runner.compression.files.program import exported_once
from runner.compression.network import FLOAT, WEIGHTS
from runner.compression.quantization.backends.support import back_end
from runner.compression.quantization.program.lower import obstacle
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError
from runner.files import sha256, write_json
from runner.job.context import Context
from runner.job.formats import known_formats
from runner.job.networks import Networks, StageResult
from runner.job.serving import told
from runner.measure.nested import Nested
from runner.stages.parts.exported import Exported, check
from runner.stages.parts.quantizing import quantization_recipe
from runner.tracking.console import console
from runner.tracking.layout import SERVING
from runner.tracking.result import ArtifactFile


def export(context: Context, networks: Networks) -> StageResult:
    """Write one file of each chosen format into `artifacts/`, load it and compare outputs.

    Raises:
        RunnerError: a format that cannot be had, or a file that answers differently.
    """
    context.datamodule.fix_shape()
    example = context.example()
    exported = what_is_exported(context, networks, example)
    metrics: dict[str, float] = {}
    artifacts: dict[str, ArtifactFile] = {}
    serving = told(
        *(context.datamodule, networks.task.eval(), example, exported.answer(example)),
        decoded=exported.least is not None,
    )
    known, structured = known_formats(context.config), partial(is_structured, exported.network, example)
    made, captured = kind(context, networks), can_be_captured(exported.network)
    names = chosen(known, context.config.export.formats, lowering(networks), made, structured, captured)
    with exported_once():
        for each in context.signals.between(names):
            path = context.artifacts / f"{exported.name}{known[each].suffix}"
            known[each].save(exported.network, exported.compressed, example, path)
            agreement, answered = check(exported, known[each], path, example, context.datamodule)
            size = sum(file.stat().st_size for file in known[each].files(path))
            entry = replace(context.artifact(path), bytes=size, network=exported.name, format=each, sha256=sha256(path))
            artifacts[f"{exported.name}_{each}"] = entry
            serving["files"][f"{exported.name}_{each}"] = answered
            if exported.least is None:
                metrics[f"export/{each}/sqnr_db"] = agreement
                said = f"{agreement:.0f} dB against the program"
            else:
                metrics[f"export/{each}/equal_boxes"] = agreement
                said = f"{agreement:.1%} of the program's boxes"
            console.print(f"export  {path.name}  {size:,} bytes, {said}")
    path = context.artifacts / SERVING
    write_json(path, serving)
    return StageResult(metrics, {**artifacts, "serving": context.artifact(path)})


def what_is_exported(context: Context, networks: Networks, example: Nested) -> Exported:
    """Return the network that the run ended with; with `export.decode` also what makes boxes of its outputs."""
    network, quantized = networks.floating, networks.quantized
    name = quantized.title if quantized is not None else networks.smaller_phase or "float"
    if not context.config.export.get("decode", False):
        return Exported(name, network, quantized)
    from runner.stages.parts.decoded import decoder_of, with_decoder

    decoder = decoder_of(networks.task, network, example)
    whole, compressed = with_decoder(network, quantized, decoder, example)
    return Exported(f"{name}_boxes", whole, compressed, float(decoder.least))  # type: ignore[arg-type]


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError for a format that cannot be had, or cannot hold what this run will have made by then."""
    config, stages, known = context.config, list(context.config.stages), known_formats(context.config)
    network, example = networks.task.standalone(), context.example()
    if config.export.get("decode", False):
        from runner.stages.parts.decoded import WithBoxes, decoder_of

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
