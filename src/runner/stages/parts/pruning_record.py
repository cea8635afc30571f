"""The record of pruning: a table and a figure over the rounds, metrics, and what a sparse file would take."""

from dataclasses import asdict, replace
from typing import Any

import torch
from rich.table import Table

from runner.compression.files.sparse import dense_bytes, save_sparse, verdict
from runner.compression.pruning.zeros import kept_by
from runner.files import write_csv
from runner.job.context import Context
from runner.measure import nested
from runner.measure.latency import time_interleaved
from runner.stages.parts.pruning_context import standalone
from runner.stages.parts.pruning_rounds import Round
from runner.tasks.base import Task
from runner.tasks.figures.plots import pruning_rounds, render
from runner.tracking.console import console
from runner.tracking.loggers import TensorBoard
from runner.tracking.result import ArtifactFile

ARTIFACT = "pruning_rounds"
Row = dict[str, Any]


def record(context: Context, task: Task, rounds: list[Round]) -> tuple[dict[str, float], dict[str, ArtifactFile]]:
    """Time all networks, print the table, and write `artifacts/pruning_rounds.csv` and a picture.

    Returns:
        The metrics of the last round, and the files.
    """
    batch, latencies = timed(context, task, rounds)
    rows = [{**asdict(made.measured), "latency_ms": each} for made, each in zip(rounds, latencies, strict=True)]
    show(context.config.task.monitor, rows, batch)
    metrics = summary(context, rows, batch)
    path = context.artifacts / f"{ARTIFACT}.csv"
    path.parent.mkdir(exist_ok=True)
    write_csv(path, [{**row, "batch": batch} for row in rows])
    artifacts = {ARTIFACT: context.artifact(path), f"{ARTIFACT}_picture": draw(context, rows, batch)}
    if kept_by(rounds[-1].structure):
        found, artifacts["pruned_sparse"] = sparse(context, rounds[-1])
        metrics |= found
    return metrics, artifacts


def timed(context: Context, task: Task, rounds: list[Round]) -> tuple[int, list[float]]:
    """Return the largest batch size of the benchmark that there are inputs for; each network's median ms, eager."""
    settings, datamodule = context.config.benchmark, context.datamodule
    inputs = nested.to(datamodule.example(max(settings.batch_sizes)), "cpu")
    programs = {str(made.measured.round): standalone(task, made.network) for made in rounds}
    with torch.no_grad():
        found = time_interleaved(programs, inputs, runs=settings.runs, seconds=settings.seconds)
    return nested.samples(inputs), [found[str(made.measured.round)].median_ms for made in rounds]


def show(monitor: str, rows: list[Row], batch: int) -> None:
    """Print the table."""
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


def summary(context: Context, rows: list[Row], batch: int) -> dict[str, float]:
    """Return the last round's numbers as metrics; log those of all rounds as curves over the rounds."""
    first, last = rows[0], rows[-1]
    latency, monitor = f"latency_ms/batch_{batch}", context.config.task.monitor
    names = {"macs": "macs", "parameters": "parameters", "nonzero_share": "nonzero_share", "latency_ms": latency}
    names |= {"pruned": f"untuned/{monitor}", "metric": monitor}
    metrics = {f"pruning/{name}": float(last[key]) for key, name in names.items()}
    metrics |= {f"pruning/dense/{name}": float(first[key]) for key, name in names.items() if key != "pruned"}
    metrics |= {f"pruning/{key}_removed": 1 - last[key] / first[key] for key in ("macs", "parameters")}
    for logger in context.loggers:
        if isinstance(logger, TensorBoard):
            for row in rows:
                logger.log_metrics({f"pruning/{name}": float(row[key]) for key, name in names.items()}, row["round"])
    return metrics


def draw(context: Context, rows: list[Row], batch: int) -> ArtifactFile:
    """Draw the figure, for TensorBoard and as `artifacts/pruning_rounds.png`."""
    costs = {"parameters": "parameters", "multiply-accumulates": "macs", f"latency (batch {batch})": "latency_ms"}
    if rows[-1]["nonzero_share"] < rows[0]["nonzero_share"]:
        costs["weights not zero"] = "nonzero_share"
    relative = {label: [row[key] / rows[0][key] for row in rows] for label, key in costs.items()}
    metrics = {"after pruning": [r["pruned"] for r in rows], "after fine-tuning": [r["metric"] for r in rows]}
    figure = pruning_rounds(relative, metrics, context.config.task.monitor)
    for logger in context.loggers:
        if isinstance(logger, TensorBoard):
            logger.experiment.add_image("pruned/rounds", render(figure), dataformats="HWC")
    path = context.artifacts / f"{ARTIFACT}.png"
    figure.savefig(path)
    return context.artifact(path)


def sparse(context: Context, made: Round) -> tuple[dict[str, float], ArtifactFile]:
    """Write the pruned network as a sparse file, and say what zeros save and what they do not."""
    state = made.network.state_dict()
    path = context.artifacts / "pruned_sparse.zip"
    size, whole = save_sparse(state, path), dense_bytes(state)
    console.print(verdict(1 - made.measured.nonzero_share, whole, size), soft_wrap=True)
    return {"pruning/sparse_bytes": float(size), "pruning/dense_bytes": float(whole)}, replace(
        context.artifact(path), network="pruned", format="sparse"
    )
