"""Loggers: TensorBoard, and a plain file of rows that survives a crash."""

import csv
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from runner.files import write_text
from runner.tracking import layout

COLUMNS = ("step", "epoch", "metric", "value")


class Renaming:
    """Metrics of a second training of one run: under names of their own, in steps that follow those of the first."""

    prefix, first_step = "", 0

    def renamed(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics by the names they are written under; Lightning's own `epoch` keeps its name."""
        return {name if name == "epoch" else self.prefix + name: value for name, value in metrics.items()}

    def shifted(self, step: int | None) -> int | None:
        """Return the step that is written."""
        return None if step is None else self.first_step + step


@contextmanager
def renaming(loggers: Sequence[Logger], prefix: str, first_step: int) -> Iterator[None]:
    """Give metrics `prefix` within this context, and count their steps from `first_step`."""
    own = [logger for logger in loggers if isinstance(logger, Renaming)]
    for each in own:
        each.prefix, each.first_step = prefix, first_step
    try:
        yield
    finally:
        for each in own:
            each.prefix, each.first_step = "", 0


class TensorBoard(Renaming, TensorBoardLogger):
    """TensorBoard's files in `save_dir/tensorboard`; hyper-parameters are written once, with the final metrics."""

    def __init__(self, save_dir: str, **kwargs: Any) -> None:
        super().__init__(save_dir=save_dir, name="", version=layout.TENSORBOARD, default_hp_metric=False, **kwargs)

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing: hyper-parameters are in config.yaml, and what came of them in `log_result`."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log as always, and write an epoch's metrics to disk at once: a run that is killed continues behind them."""
        super().log_metrics(self.renamed(metrics), self.shifted(step))
        if not {"train/loss", "val/loss"}.isdisjoint(metrics):
            self.experiment.flush()

    @rank_zero_only
    def log_result(self, parameters: dict[str, Any], metrics: dict[str, float]) -> None:
        """Log the HParams tab's row: what was chosen and what came of it.

        It writes its metrics as scalars, too; under names of their own, so that no curve ends at step 0.
        """
        super().log_hyperparams(parameters, {f"final/{name}": value for name, value in metrics.items()})

    @rank_zero_only
    def continue_from(self, step: int) -> None:
        """Drop what an interrupted run wrote in step `step` (counted from 0) and later."""
        self._kwargs["purge_step"] = step


class MetricsFile(Renaming, Logger):
    """`metrics.csv`: one row a value, appended, so that nothing is rewritten and a crash costs one line at most."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Log nothing: hyper-parameters are in config.yaml, and what came of them in `log_result`."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one row for every metric; Lightning's own `epoch` metric becomes the column."""
        epoch = metrics.get("epoch", "")
        rows = [
            (self.shifted(step), int(epoch) if epoch != "" else "", name, repr(float(value)))
            for name, value in self.renamed(metrics).items()
            if name != "epoch"
        ]
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(COLUMNS)
            writer.writerows(rows)

    @rank_zero_only
    def continue_from(self, step: int) -> None:
        """Drop rows of step `step` and later, and a last line that was cut off: the continued run writes them."""
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines[1:] if line.count(",") == 3 and step_of(line) < step]
        write_text(self.path, "\n".join([",".join(COLUMNS), *kept]) + "\n")


def step_of(line: str) -> int:
    """Return the step of a row of metrics.csv; 0 where it has none."""
    return int(line.split(",", 1)[0] or 0)
