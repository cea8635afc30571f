"""Factorization: the trained network's layers in two, fine-tuned, with a table of what that saves and costs."""

import copy
from dataclasses import asdict, replace

from rich.table import Table

from runner.compression.factorization.factorized import Row
from runner.files import write_csv
from runner.job.build import build
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.stages.parts.distillation import check_teacher
from runner.stages.parts.fine_tune import fine_tune
from runner.stages.parts.kept import keep_made
from runner.tracking.checkpoints import FACTORIZED
from runner.tracking.console import console
from runner.tracking.result import ArtifactFile

ARTIFACT = "factorized_layers"


def factorize(context: Context, networks: Networks) -> StageResult:
    """Put the factorized network into the task, train it on, and write `artifacts/factorized_layers.csv`.

    Raises:
        RunnerError: nothing in the network can be factorized.
    """
    networks, task = networks.with_baseline(), networks.task
    settings = context.config.factorization
    recipe = build(settings, "recipe")
    dense = copy.deepcopy(task.network).cpu().eval()
    factorized = recipe.apply(dense, context.example(), call=task.call)
    structure = [*task.structure, *factorized.steps]
    networks = networks.made_smaller(factorized.network, structure, FACTORIZED)
    metrics, artifacts = record(context, networks, factorized.rows)
    tuned: dict[str, float] = {}
    if settings.fine_tune.epochs:
        tuning = fine_tune(context, networks, factorized.network, FACTORIZED, **settings.fine_tune)
        tuned = tuning.metrics
        metrics |= {f"{FACTORIZED}/{name}": value for name, value in tuned.items()}
        networks = networks.made_smaller(factorized.network.cpu().eval(), structure, FACTORIZED)
        networks = replace(networks, steps=networks.steps + tuning.steps)
    kept = keep_made(context, networks, FACTORIZED, tuned)
    return StageResult(metrics, artifacts, replace(networks, checkpoint=kept))


def preflight(context: Context, networks: Networks) -> None:
    """Find, before any training, what factorize would refuse after it whatever the weights are.

    Raises:
        RunnerError: a layer to skip that the network does not have, no layer of the kind that is factorized, or a
            teacher that cannot teach.
    """
    recipe = build(context.config.factorization, "recipe")
    network = copy.deepcopy(networks.task.network).cpu().eval()
    recipe.preflight(network, context.example(), call=networks.task.call)
    check_teacher(context, networks)


def record(context: Context, networks: Networks, rows: list[Row]) -> tuple[dict[str, float], dict[str, ArtifactFile]]:
    """Print the table of layers and write it as a CSV file; return its sums as metrics, and the file."""
    before, after = sum(row.before for row in rows), sum(row.after for row in rows)
    metrics = {
        f"{FACTORIZED}/parameters": float(sum(each.numel() for each in networks.task.network.parameters())),
        f"{FACTORIZED}/layers": float(sum(not row.stays for row in rows)),
    }
    if not context.record.primary:
        return metrics, {}
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
    path = context.artifacts / f"{ARTIFACT}.csv"
    write_csv(path, [asdict(row) for row in rows])
    return metrics, {ARTIFACT: context.artifact(path)}
