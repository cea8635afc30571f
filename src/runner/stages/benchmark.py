"""Benchmark: what compression gained, against honest baselines, on the same inputs call after call in turn."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from runner.compression.files.file_format import FileFormat
from runner.compression.files.formats import run_in_batches
from runner.compression.files.program import save_program
from runner.compression.meta import without_values
from runner.compression.quantization.program.lower import CompiledProgram
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import described, prove_integers
from runner.errors import RunnerError
from runner.files import write_json
from runner.job.context import Context
from runner.job.formats import known_formats
from runner.job.networks import Networks, StageResult
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.formulas import multiply_accumulates
from runner.measure.latency import FEW_CHANNELS, Latency, time_interleaved, verdict
from runner.measure.machine import has_bfloat16, working_memory
from runner.measure.nested import Nested
from runner.stages.parts.benchmark_report import Findings, Memory, show
from runner.tracking.result import ArtifactFile

Programs = dict[str, Callable[[Nested], Any]]
AGREEMENT_SAMPLES = 512
# Formats whose files older records tell by their names alone.
NAMED_BEFORE = ("program", "packed", "aot", "executorch", "openvino", "onnx", "sparse")


def benchmark(context: Context, networks: Networks) -> StageResult:
    """Time every program at each batch size; prints the table and what it means; records both."""
    settings = context.config.benchmark
    metrics: dict[str, float] = {}
    context.datamodule.fix_shape()
    programs = collect(context, networks)
    artifacts = save_baselines(context, networks)
    sizes = sizes_on_disk(networks, {**context.results.artifacts, **artifacts})
    only = {name: form.batch for name, form in exported(context, networks).items()}
    agreement = agree(context, programs, only)
    rows: dict[int, dict[str, Latency]] = {}
    memory: Memory = {}
    sentences: list[str] = []
    for batch in context.signals.between(suitable(context, settings.batch_sizes)):
        inputs = some(context, batch)
        fitting, remarks = ready(programs, inputs, only)
        with torch.no_grad():
            rows[batch] = time_interleaved(fitting, inputs, runs=settings.runs, seconds=settings.seconds)
            memory[batch] = {name: working_memory(partial(run, inputs)) for name, run in fitting.items()}
        for name, latency in rows[batch].items():
            metrics[f"benchmark/{name}/latency_ms/batch_{batch}"] = latency.median_ms
            if (used := memory[batch][name]) is not None:
                metrics[f"benchmark/{name}/working_memory_bytes/batch_{batch}"] = float(used)
        sentences += [
            *remarks,
            *verdict(
                {name: each.median_ms for name, each in rows[batch].items()},
                batch,
                named(networks)[1:],
                why(networks),
            ),
        ]
    findings = Findings(rows, memory, sizes, agreement, sentences)
    show(findings)
    for name, (share, decibel) in agreement.items():
        metrics |= {f"benchmark/{name}/equal_predictions": share, f"benchmark/{name}/sqnr_db": decibel}
    metrics |= operations(context, networks)
    metrics |= {f"benchmark/{name}/bytes": float(size) for name, size in sizes.items()}
    metrics |= gains(named(networks)[-1], rows, sizes)
    path = context.artifacts / "benchmark.json"
    write_json(path, findings.as_json())
    return StageResult(metrics, {**artifacts, "benchmark": context.artifact(path)})


def collect(context: Context, networks: Networks) -> Programs:
    """Return the programs of this run by name.

    The float network as it was trained in three ways, the smaller float network,
    what quantization made of it, and every exported file that can be run.
    """
    network = networks.baseline
    programs: Programs = {"eager": network, "compiled": CompiledProgram(network)}
    if context.config.benchmark.bf16 and has_bfloat16():
        programs["bf16"] = CompiledProgram(network, torch.bfloat16)
    if networks.smaller is not None and networks.smaller_phase is not None:
        programs[networks.smaller_phase] = CompiledProgram(networks.smaller)
    if networks.quantized is not None and networks.quantized.compiled is not None:
        programs[networks.quantized.title] = networks.quantized.compiled
    if networks.quantized is not None and networks.quantized.eager is not None:
        programs[f"{networks.quantized.title}_eager"] = networks.quantized.eager
    for name, form in exported(context, networks).items():
        if form.timed:
            build = partial(without_values, networks.floating)
            programs[name] = form.load(context.record.path / context.results.artifacts[name].path, build)
    return programs


def exported(context: Context, networks: Networks) -> dict[str, FileFormat]:
    """Return the formats of the files of this run's networks, by the names of the artifacts."""
    known, names = known_formats(context.config), named(networks)
    files = {name: made_of(name, artifact) for name, artifact in context.results.artifacts.items()}
    return {name: known[form] for name, (network, form) in files.items() if network in names and form in known}


def made_of(name: str, artifact: ArtifactFile) -> tuple[str, str]:
    """Return a file's network and format, empty for others; of older records, which lack them, by its name."""
    network, _, form = name.rpartition("_")
    by_name = (network, form) if form in NAMED_BEFORE else ("", "")
    return (artifact.network, artifact.format) if artifact.format else by_name


def named(networks: Networks) -> list[str]:
    """Return what the networks of this run are called in files and tables: as trained, made smaller, quantized."""
    return [name for name in ("float", networks.smaller_phase, networks.quantized and networks.quantized.title) if name]


def why(networks: Networks) -> str:
    """Return why what quantization made of the network may be no faster than float."""
    unfolds = networks.quantized is not None and networks.quantized.unfolds
    return "Its products are those of float, with weights that compiling unfolds once" if unfolds else FEW_CHANNELS


def ready(programs: Programs, inputs: Nested, only: Mapping[str, int | None]) -> tuple[Programs, list[str]]:
    """Return the programs that run at this batch size, compiled for it, and what is to be said about that.

    Compiling for another batch size may match other kernels than compress proved: int8 that runs in float is not timed
    under that name. `only` has the one batch size of programs that take no other.
    """
    fitting: Programs = {}
    remarks: list[str] = []
    batch = nested.samples(inputs)
    for name, each in programs.items():
        if not isinstance(each, CompiledProgram):
            fitting |= {name: each} if only.get(name) in (None, batch) else {}
            continue
        each.compile_for(inputs)
        try:
            if name == QuantizedNetwork.title:
                remarks.append(f"Batch {batch}: {prove(each, batch)}")
            fitting[name] = each.bare(batch)
        except RunnerError as error:
            remarks.append(f"{error} It is not timed as {name}.")
    return fitting, remarks


def prove(program: CompiledProgram, batch: int) -> str:
    """Return which kernels an int8 program runs at a batch size it was compiled for.

    Raises:
        RunnerError: fewer in int8 than it has quantized operators.
    """
    assert isinstance(program.network, GraphModule)
    kernels = prove_integers(program.kernels[batch], program.network, f"Batch {batch}")
    return f"int8 runs {described(kernels.integer)} in int8 and {described(kernels.floating)} in float."


def suitable(context: Context, sizes: list[int]) -> list[int]:
    """Return the batch sizes that this data's networks are shown; where none of them is, the largest there is."""
    at_most = context.datamodule.at_most
    return [each for each in sizes if at_most(each) == each] or [at_most(min(sizes))]


def some(context: Context, count: int) -> Nested:
    """Return `count` transformed test inputs, repeated where there are fewer; no more than are shown at once."""
    count = context.datamodule.at_most(count)
    return nested.repeat(nested.to(context.datamodule.example(count), "cpu"), count)


def save_baselines(context: Context, networks: Networks) -> dict[str, ArtifactFile]:
    """Save every float network in the same format as the compressed program, unless export did; return the files."""
    saved = save_float(context, "float", networks.baseline)
    if networks.smaller is not None and networks.smaller_phase is not None:
        saved |= save_float(context, networks.smaller_phase, networks.smaller)
    return saved


def operations(context: Context, networks: Networks) -> dict[str, float]:
    """Return the multiply-accumulates for one sample of the network as trained and, where there is one, the smaller."""
    inputs = some(context, 1)
    found = {"benchmark/float/macs": float(multiply_accumulates(networks.baseline, inputs))}
    if networks.smaller is not None and networks.smaller_phase is not None:
        found[f"benchmark/{networks.smaller_phase}/macs"] = float(multiply_accumulates(networks.smaller, inputs))
    return found


def sizes_on_disk(networks: Networks, artifacts: Mapping[str, ArtifactFile]) -> dict[str, int]:
    """Return the bytes of the run's files that hold a network."""
    names = named(networks)
    files = {name: (each.bytes, *made_of(name, each)) for name, each in artifacts.items()}
    return {name: size for name, (size, network, form) in files.items() if form and network in names}


def gains(name: str, rows: dict[int, dict[str, Latency]], sizes: dict[str, int]) -> dict[str, float]:
    """Return how many times smaller than the float program, and faster than the compiled one, a network has become.

    `name` is
    what it is called in the end, and of several files of it the smallest counts.
    """
    files = [size for file, size in sizes.items() if file.startswith(f"{name}_")]
    found = {"gain/size": sizes["float_program"] / min(files)} if files and name != "float" else {}
    for batch, row in rows.items():
        if name in row:
            found[f"gain/speed/batch_{batch}"] = row["compiled"].median_ms / row[name].median_ms
    return found


def save_float(context: Context, name: str, network: nn.Module) -> dict[str, ArtifactFile]:
    """Save a float network as a program; return the file, nothing where an earlier stage recorded it.

    One that merely lies there is of a benchmark that was killed, and stands in no record.
    """
    path, entry = context.artifacts / f"{name}.pt2", f"{name}_program"
    if entry in context.results.artifacts and path.is_file():
        return {}
    save_program(network, context.example(), path, {"recipe": "none"})
    return {entry: replace(context.artifact(path), network=name, format="program")}


def agree(context: Context, programs: Programs, only: Mapping[str, int | None]) -> dict[str, tuple[float, float]]:
    """Return share of equal predictions and SQNR in dB of every program's outputs against eager float32."""
    inputs = some(context, min(AGREEMENT_SAMPLES, max(2, len(context.datamodule.splits["test"]))))
    size = context.config.data.batch_size
    answers = {name: run_in_batches(only.get(name), run, inputs, size) for name, run in programs.items()}
    wanted = answers["eager"]
    return {
        name: (equal_share(wanted, got), min(sqnr(wanted, got), 200.0))
        for name, got in answers.items()
        if name != "eager"
    }


def equal_share(wanted: Nested, got: Nested) -> float:
    """Return share of samples with the same class; for one output, the same sign. Of several tensors their mean."""
    shares = [_equal_share(one, two) for one, two in nested.pairs(wanted, got)]
    return sum(shares) / len(shares)


def _equal_share(wanted: Tensor, got: Tensor) -> float:
    if wanted.shape[-1] == 1:
        return float((wanted.sign() == got.sign()).float().mean())
    return float((wanted.argmax(-1) == got.argmax(-1)).float().mean())
