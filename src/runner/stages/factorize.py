"""Factorization: the trained network's layers in two, fine-tuned, with a table of what that saves and costs."""

import copy
from dataclasses import asdict

from rich.table import Table

from runner import nested
from runner.compression.factorization.factorized import Row
from runner.errors import RunnerError
from runner.files import write_csv
from runner.job.build import build
from runner.job.job import Job
from runner.stages.parts.fine_tune import fine_tune
from runner.stages.parts.kept import keep_made, take_up
from runner.tracking.checkpoints import FACTORIZED
from runner.tracking.console import console

ARTIFACT = "factorized_layers"


def factorize(job: Job) -> None:
    """Puts the factorized network into the task, trains it on, and writes `artifacts/factorized_layers.csv`.

    Raises:
        RunnerError: the network is quantized already, or nothing in it can be factorized.
    """
    if job.compressed is not None:
        raise RunnerError("This network is quantized already: put factorize before compress.")
    job.remember_dense()
    if take_up(job, FACTORIZED):
        return
    settings = job.config.factorization
    recipe = build(settings, "recipe")
    dense = copy.deepcopy(job.task.network).cpu().eval()
    factorized = recipe.apply(dense, nested.to(job.datamodule.example(2), "cpu"), call=job.task.call)
    structure = [*job.task.structure, *factorized.steps]
    job.replace_network(factorized.network, structure, FACTORIZED)
    record(job, factorized.rows)
    metrics: dict[str, float] = {}
    if settings.fine_tune.epochs:
        metrics = fine_tune(job, factorized.network, FACTORIZED, **settings.fine_tune)
        job.metrics |= {f"{FACTORIZED}/{name}": value for name, value in metrics.items()}
        job.replace_network(factorized.network.cpu().eval(), structure, FACTORIZED)
    keep_made(job, FACTORIZED, metrics)


def preflight(job: Job) -> None:
    """Finds, before any training, what factorize would refuse after it whatever the weights are.

    Raises:
        RunnerError: a layer to skip that the network does not have, or no layer of the kind that is factorized.
    """
    build(job.config.factorization, "recipe").check(job.task.network)


def record(job: Job, rows: list[Row]) -> None:
    """The table of layers: on the console, as a CSV file, and its sums among the metrics."""
    before, after = sum(row.before for row in rows), sum(row.after for row in rows)
    job.metrics |= {
        f"{FACTORIZED}/parameters": float(sum(each.numel() for each in job.task.network.parameters())),
        f"{FACTORIZED}/layers": float(sum(not row.stays for row in rows)),
    }
    if not job.record.primary:
        return
    table = Table(title="Factorized, layer by layer", title_justify="left")
    for heading in ("layer", "rank", "parameters", "error", ""):
        table.add_column(heading, justify="left" if heading in ("layer", "") else "right")
    for row in rows:
        parameters = f"{row.before:,}" if row.stays else f"{row.before:,} → {row.after:,}"
        rank, error = ("–", "–") if row.stays else (str(row.rank), f"{row.error:.1%}")
        table.add_row(row.layer, rank, parameters, error, f"stays: {row.stays}" if row.stays else "")
    table.add_section()
    table.add_row("all of these", "", f"{before:,} → {after:,}", "", f"{after / before:.0%} of the parameters")
    console.print(table)
    path = job.record.path / "artifacts" / f"{ARTIFACT}.csv"
    write_csv(path, [asdict(row) for row in rows])
    job.keep(ARTIFACT, path)
