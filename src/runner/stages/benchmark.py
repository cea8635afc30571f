"""Benchmark: what compression gained, against honest baselines, on the same inputs call after call in turn."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from runner import nested
from runner.compression.files.formats import FORMATS, run_in_batches
from runner.compression.files.program import save_program
from runner.compression.meta import without_values
from runner.compression.quantization.program.lower import CompiledProgram
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import described, prove_integers
from runner.compression.quantization.weights.network import WeightOnlyNetwork
from runner.errors import RunnerError
from runner.files import write_json
from runner.job.job import Job
from runner.measure.cpu import has_bfloat16
from runner.measure.error import sqnr
from runner.measure.latency import Latency, time_interleaved
from runner.measure.memory import working_memory
from runner.measure.verdict import FEW_CHANNELS, verdict
from runner.nested import Nested
from runner.stages.parts.benchmark_report import Findings, Memory, show

Programs = dict[str, Callable[[Nested], Any]]
AGREEMENT_SAMPLES = 512
# The file that stage prune writes of a network with many zeros.
SPARSE = "sparse"
# Exported files with a runtime of their own; a torch.export file runs as the int8 program itself does.
TIMED = ("aot", "onnx", "openvino", "executorch")


def benchmark(job: Job) -> None:
    """Times every program at each batch size; prints the table and what it means; records both."""
    settings = job.config.benchmark
    job.datamodule.fix_shape()
    programs = collect(job)
    sizes = sizes_on_disk(job)
    agreement = agree(job, programs)
    rows: dict[int, dict[str, Latency]] = {}
    memory: Memory = {}
    sentences: list[str] = []
    for batch in suitable(job, settings.batch_sizes):
        inputs = some(job, batch)
        fitting, remarks = ready(programs, inputs)
        with torch.no_grad():
            rows[batch] = time_interleaved(fitting, inputs, runs=settings.runs, seconds=settings.seconds)
            memory[batch] = {name: working_memory(partial(run, inputs)) for name, run in fitting.items()}
        for name, latency in rows[batch].items():
            job.metrics[f"benchmark/{name}/latency_ms/batch_{batch}"] = latency.median_ms
            if (used := memory[batch][name]) is not None:
                job.metrics[f"benchmark/{name}/working_memory_bytes/batch_{batch}"] = float(used)
        sentences += [
            *remarks,
            *verdict({name: each.median_ms for name, each in rows[batch].items()}, batch, named(job)[1:], why(job)),
        ]
    findings = Findings(rows, memory, sizes, agreement, sentences)
    show(findings)
    for name, (share, decibel) in agreement.items():
        job.metrics |= {f"benchmark/{name}/equal_predictions": share, f"benchmark/{name}/sqnr_db": decibel}
    job.metrics |= {f"benchmark/{name}/bytes": float(size) for name, size in sizes.items()}
    job.metrics |= gains(named(job)[-1], rows, sizes)
    path = job.record.path / "artifacts" / "benchmark.json"
    write_json(path, findings.as_json())
    job.keep("benchmark", path)


def collect(job: Job) -> Programs:
    """The programs of this run by name: the float network as it was trained in three ways, the smaller float network,
    what quantization made of it, and every exported file that can be run."""
    network = baseline(job)
    programs: Programs = {"eager": network, "compiled": CompiledProgram(network)}
    if job.config.benchmark.bf16 and has_bfloat16():
        programs["bf16"] = CompiledProgram(network, torch.bfloat16)
    if job.smaller is not None and job.float_network is not None:
        programs[job.smaller] = CompiledProgram(job.float_network)
    if job.compressed is not None and job.compressed.compiled is not None:
        programs[job.compressed.title] = job.compressed.compiled
    if isinstance(job.compressed, WeightOnlyNetwork):  # compiled, its weights are unfolded once and stay so
        programs[f"{job.compressed.title}_eager"] = job.compressed.network
    kinds = named(job)
    for name, artifact in job.artifacts.items():
        kind, _, format_name = name.rpartition("_")
        if kind in kinds and format_name in TIMED:
            build = partial(without_values, job.float_network if job.float_network is not None else network)
            programs[name] = FORMATS[format_name].load(job.record.path / artifact.path, build)
    return programs


def baseline(job: Job) -> nn.Module:
    """The float network before anything made it smaller."""
    for each in (job.dense_network, job.float_network):
        if each is not None:  # an empty nn.Sequential is false
            return each
    return job.task.standalone()


def named(job: Job) -> list[str]:
    """What the networks of this run are called in files and tables: as trained, made smaller, quantized."""
    return [name for name in ("float", job.smaller, job.compressed and job.compressed.title) if name]


def why(job: Job) -> str:
    """Why what quantization made of the network may be no faster than float."""
    unfolds = isinstance(job.compressed, WeightOnlyNetwork) and job.compressed.unfolds
    return "Its products are those of float, with weights that compiling unfolds once" if unfolds else FEW_CHANNELS


def ready(programs: Programs, inputs: Nested) -> tuple[Programs, list[str]]:
    """The programs that run at this batch size, compiled for it, and what is to be said about that.

    Compiling for another batch size may match other kernels than compress proved: int8 that runs in float is not timed
    under that name.
    """
    fitting: Programs = {}
    remarks: list[str] = []
    batch = nested.samples(inputs)
    for name, each in programs.items():
        if not isinstance(each, CompiledProgram):
            fitting |= {name: each} if fits(name, batch) else {}
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
    """Which kernels an int8 program runs at a batch size it was compiled for.

    Raises:
        RunnerError: fewer in int8 than it has quantized operators.
    """
    assert isinstance(program.network, GraphModule)
    kernels = prove_integers(program.kernels[batch], program.network, f"Batch {batch}")
    return f"int8 runs {described(kernels.integer)} in int8 and {described(kernels.floating)} in float."


def fits(name: str, batch: int) -> bool:
    """Whether a program can be run at this batch size; ahead-of-time packages have one only."""
    file = FORMATS.get(name.rpartition("_")[2])
    return file is None or file.batch in (None, batch)


def suitable(job: Job, sizes: list[int]) -> list[int]:
    """The batch sizes that this data's networks are shown; where none of them is, the largest there is."""
    at_most = job.datamodule.at_most
    return [each for each in sizes if at_most(each) == each] or [at_most(min(sizes))]


def some(job: Job, count: int) -> Nested:
    """`count` transformed test inputs, repeated where there are fewer; no more than are shown at once."""
    count = job.datamodule.at_most(count)
    return nested.repeat(nested.to(job.datamodule.example(count), "cpu"), count)


def sizes_on_disk(job: Job) -> dict[str, int]:
    """Bytes of the files of this run; every float network is saved in the same format as the compressed program."""
    keep_program(job, "float", baseline(job))
    if job.smaller is not None and job.float_network is not None:
        keep_program(job, job.smaller, job.float_network)
    names = {f"{network}_{kind}" for network in named(job) for kind in (*FORMATS, SPARSE)}
    return {name: each.bytes for name, each in job.artifacts.items() if name in names}


def gains(name: str, rows: dict[int, dict[str, Latency]], sizes: dict[str, int]) -> dict[str, float]:
    """How many times smaller than the float program, and faster than the compiled one, a network has become; `name` is
    what it is called in the end, and of several files of it the smallest counts."""
    files = [size for file, size in sizes.items() if file.startswith(f"{name}_")]
    found = {"gain/size": sizes["float_program"] / min(files)} if files and name != "float" else {}
    for batch, row in rows.items():
        if name in row:
            found[f"gain/speed/batch_{batch}"] = row["compiled"].median_ms / row[name].median_ms
    return found


def keep_program(job: Job, name: str, network: nn.Module) -> None:
    """Saves a float network as a program, unless export did."""
    path = job.record.path / "artifacts" / f"{name}.pt2"
    if not path.is_file():
        save_program(network, nested.to(job.datamodule.example(2), "cpu"), path, {"recipe": "none"})
        job.keep(f"{name}_program", path)


def agree(job: Job, programs: Programs) -> dict[str, tuple[float, float]]:
    """Share of equal predictions and SQNR in dB of every program's outputs against eager float32."""
    inputs = some(job, min(AGREEMENT_SAMPLES, max(2, len(job.datamodule.splits["test"]))))
    size = job.config.data.batch_size
    answers = {name: run_in_batches(name.rpartition("_")[2], run, inputs, size) for name, run in programs.items()}
    wanted = answers["eager"]
    return {
        name: (equal_share(wanted, got), min(sqnr(wanted, got), 200.0))
        for name, got in answers.items()
        if name != "eager"
    }


def equal_share(wanted: Nested, got: Nested) -> float:
    """Share of samples with the same class; for one output, the same sign. Of several tensors their mean."""
    shares = [_equal_share(one, two) for one, two in nested.pairs(wanted, got)]
    return sum(shares) / len(shares)


def _equal_share(wanted: Tensor, got: Tensor) -> float:
    if wanted.shape[-1] == 1:
        return float((wanted.sign() == got.sign()).float().mean())
    return float((wanted.argmax(-1) == got.argmax(-1)).float().mean())
