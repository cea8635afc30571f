"""The record of pruning: a table and a figure over the rounds, metrics, and what a sparse file would take."""

from dataclasses import asdict
from typing import Any

import torch
from rich.table import Table

from runner import nested
from runner.compression.files.sparse import dense_bytes, save_sparse, verdict
from runner.compression.pruning.zeros import kept_by
from runner.figures.plots import pruning_rounds, render
from runner.files import write_csv
from runner.job.job import Job
from runner.measure.latency import time_interleaved
from runner.stages.parts.pruning_context import standalone
from runner.stages.parts.pruning_rounds import Made
from runner.tracking.console import console
from runner.tracking.loggers import TensorBoard

ARTIFACT = "pruning_rounds"
Row = dict[str, Any]


def record(job: Job, rounds: list[Made]) -> None:
    """Times all networks, prints the table, and writes `artifacts/pruning_rounds.csv`, a picture and metrics."""
    batch, latencies = timed(job, rounds)
    rows = [{**asdict(made.measured), "latency_ms": each} for made, each in zip(rounds, latencies, strict=True)]
    show(job, rows, batch)
    note(job, rows, batch)
    path = job.record.path / "artifacts" / f"{ARTIFACT}.csv"
    path.parent.mkdir(exist_ok=True)
    write_csv(path, [{**row, "batch": batch} for row in rows])
    job.keep(ARTIFACT, path)
    draw(job, rows, batch)
    if kept_by(rounds[-1].structure):
        sparse(job, rounds[-1])


def timed(job: Job, rounds: list[Made]) -> tuple[int, list[float]]:
    """The largest batch size of the benchmark that there are inputs for; each network's median milliseconds, eager."""
    settings = job.config.benchmark
    inputs = nested.to(job.datamodule.example(max(settings.batch_sizes)), "cpu")
    programs = {str(made.measured.round): standalone(job, made.network) for made in rounds}
    with torch.no_grad():
        found = time_interleaved(programs, inputs, runs=settings.runs, seconds=settings.seconds)
    return len(inputs), [found[str(made.measured.round)].median_ms for made in rounds]


def show(job: Job, rows: list[Row], batch: int) -> None:
    """The table."""
    monitor = job.config.task.monitor
    table = Table(title=f"Pruning ({monitor} on validation data, eager latency at batch {batch})", title_justify="left")
    for heading in ("round", "parameters", "MACs", "not zero", "ms", "after pruning", "after fine-tuning"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["round"] or "dense"),
            f"{row['parameters']:,}",
            f"{row['macs']:,}",
            f"{row['nonzero_share']:.1%}",
            f"{row['latency_ms']:.3g}",
            f"{row['pruned']:.4f}",
            f"{row['metric']:.4f}",
        )
    console.print(table)


def note(job: Job, rows: list[Row], batch: int) -> None:
    """The last round's numbers among the metrics, and those of all rounds as curves over the rounds."""
    first, last = rows[0], rows[-1]
    latency, monitor = f"latency_ms/batch_{batch}", job.config.task.monitor
    names = {"macs": "macs", "parameters": "parameters", "nonzero_share": "nonzero_share", "latency_ms": latency}
    names |= {"pruned": f"untuned/{monitor}", "metric": monitor}
    job.metrics |= {f"pruning/{name}": float(last[key]) for key, name in names.items()}
    job.metrics |= {f"pruning/dense/{name}": float(first[key]) for key, name in names.items() if key != "pruned"}
    job.metrics |= {f"pruning/{key}_removed": 1 - last[key] / first[key] for key in ("macs", "parameters")}
    for logger in job.loggers:
        if isinstance(logger, TensorBoard):
            for row in rows:
                logger.log_metrics({f"pruning/{name}": float(row[key]) for key, name in names.items()}, row["round"])


def draw(job: Job, rows: list[Row], batch: int) -> None:
    """The figure, for TensorBoard and as `artifacts/pruning_rounds.png`."""
    costs = {"parameters": "parameters", "multiply-accumulates": "macs", f"latency (batch {batch})": "latency_ms"}
    if rows[-1]["nonzero_share"] < rows[0]["nonzero_share"]:
        costs["weights not zero"] = "nonzero_share"
    relative = {label: [row[key] / rows[0][key] for row in rows] for label, key in costs.items()}
    metrics = {"after pruning": [r["pruned"] for r in rows], "after fine-tuning": [r["metric"] for r in rows]}
    figure = pruning_rounds(relative, metrics, job.config.task.monitor)
    for logger in job.loggers:
        if isinstance(logger, TensorBoard):
            logger.experiment.add_image("pruned/rounds", render(figure), dataformats="HWC")
    path = job.record.path / "artifacts" / f"{ARTIFACT}.png"
    figure.savefig(path)
    job.keep(f"{ARTIFACT}_picture", path)


def sparse(job: Job, made: Made) -> None:
    """Writes the pruned network as a sparse file, and says what zeros save and what they do not."""
    state = made.network.state_dict()
    path = job.record.path / "artifacts" / "pruned_sparse.zip"
    size, whole = save_sparse(state, path), dense_bytes(state)
    job.keep("pruned_sparse", path)
    job.metrics |= {"pruning/sparse_bytes": float(size), "pruning/dense_bytes": float(whole)}
    console.print(verdict(1 - made.measured.nonzero_share, whole, size), soft_wrap=True)
