"""Analysis of an int8 program: what rounding does to each layer, as a table and a figure."""

from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

from rich.table import Table

from runner.compression.quantization.analysis import LayerReport, TensorError, measure_sensitivity
from runner.compression.quantization.analysis import analyse as analyse_layers
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.data.calibration import calibration_batches
from runner.errors import RunnerError
from runner.files import write_csv
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.tasks.figures.plots import layer_errors, render
from runner.tracking.console import console
from runner.tracking.loggers import TensorBoard


def analyse(context: Context, networks: Networks) -> StageResult:
    """Write `artifacts/quantization_layers.csv` and draw the same for TensorBoard."""
    assert isinstance(networks.quantized, QuantizedNetwork), "preflight lets nothing else come here"
    batches = calibration_batches(context.datamodule, **context.config.quantization.calibration)
    rows = [flat(report) for report in analyse_layers(networks.quantized, list(islice(batches, 1)))]
    if context.config.quantization.sensitivity:
        add_sensitivity(context, networks, rows)
    show(rows)
    path = context.artifacts / "quantization_layers.csv"
    write_csv(path, rows)
    figure = layer_errors([row["layer"] for row in rows], [float(row["output_sqnr_db"]) for row in rows])
    for logger in context.loggers:
        if isinstance(logger, TensorBoard):
            logger.experiment.add_image("compressed/layers", render(figure), dataformats="HWC")
    return StageResult(artifacts={"quantization_layers": context.artifact(path)})


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError where no stage before makes an int8 program."""
    stages = list(context.config.stages)
    if "compress" not in stages[: stages.index("analyse")] or "backend" not in context.config.quantization:
        raise RunnerError("The stage analyse looks at an int8 program: put compress with a PT2E recipe before it.")


def flat(report: LayerReport) -> dict[str, Any]:
    """Return a layer's report as one row."""
    row: dict[str, Any] = {"layer": report.layer, "kind": report.kind}
    for name in ("weight", "input"):
        error: TensorError | None = getattr(report, name)
        values = asdict(error) if error is not None else dict.fromkeys(TensorError.__dataclass_fields__)
        row |= {f"{name}_{key}": value for key, value in values.items()}
    return row | {"output_sqnr_db": report.output_sqnr_db, "output_mse": report.output_mse}


def add_sensitivity(context: Context, networks: Networks, rows: list[dict[str, Any]]) -> None:
    """The monitored metric with only this layer rounded, and with all but this one, for every row."""
    assert isinstance(networks.quantized, QuantizedNetwork)
    simulated = SimulatedNetwork(networks.quantized.prepared, networks.quantized.learned)
    found = measure_sensitivity(simulated, partial(context.monitored, networks.task))
    by_layer = {each.layer: each for each in found.layers}
    for row in rows:
        layer = by_layer.get(row["layer"])
        row |= {"metric_only_this": layer and layer.only, "metric_all_but_this": layer and layer.all_but}


def show(rows: list[dict[str, Any]]) -> None:
    """The columns that matter most."""
    table = Table(title="Rounding, layer by layer (SQNR in dB)", title_justify="left")
    columns = {
        "layer": "layer",
        "kind": "kind",
        "weight_sqnr_db": "weight",
        "input_sqnr_db": "input",
        "output_sqnr_db": "output",
        "input_clipped": "input clipped",
    }
    columns |= {key: key.replace("_", " ") for key in ("metric_only_this", "metric_all_but_this") if key in rows[0]}
    for heading in columns.values():
        table.add_column(heading, justify="left" if heading in ("layer", "kind") else "right")
    for row in rows:
        table.add_row(*(f"{row[key]:.3g}" if isinstance(row[key], float) else str(row[key] or "–") for key in columns))
    console.print(table)
