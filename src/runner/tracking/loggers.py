"""Loggers: TensorBoard, a plain file of rows that survives a crash, and what a run asks of those that mirror it."""

import csv
import io
import os
import re
from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from runner.errors import RunnerError
from runner.files import write_text
from runner.files.text import cell
from runner.tracking import layout
from runner.tracking.signals import Interrupted

ENDS = DONE, FAILED, INTERRUPTED = "done", "failed", "interrupted"
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
        self.laid_out = False

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing: hyper-parameters are in config.yaml, and what came of them in `log_result`."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log as always, and write an epoch's metrics to disk at once: a run that is killed continues behind them."""
        super().log_metrics(self.renamed(metrics), self.shifted(step))
        self.lay_out(sorted(name.removeprefix("val/") for name in metrics if name.startswith("val/")))
        if not {"train/loss", "val/loss"}.isdisjoint(metrics):
            self.experiment.flush()

    def lay_out(self, names: Sequence[str]) -> None:
        """Say once which curves share a chart of the Custom Scalars tab: a metric of all splits, the learning rates."""
        if names and not self.laid_out:
            self.laid_out = True
            first = sorted(names, key=lambda name: name != "loss")
            charts = {name: ["Multiline", [rf"(^|/)(train|val|test)/{re.escape(name)}$"]] for name in first}
            self.experiment.add_custom_scalars({"run": {**charts, "learning rate": ["Multiline", ["(^|/)lr-"]]}})

    @rank_zero_only
    def log_result(self, parameters: dict[str, Any], metrics: dict[str, float]) -> None:
        """Log the HParams tab's row: what was chosen and what came of it.

        It writes its metrics as scalars, too; under names of their own, so that no curve ends at step 0.
        """
        super().log_hyperparams(parameters, {f"final/{name}": value for name, value in metrics.items()})

    @rank_zero_only
    def continue_from(self, step: int, curves: Mapping[str, Any]) -> None:
        """Drop what an interrupted run wrote in step `step` (counted from 0) and later."""
        self._kwargs["purge_step"] = step


class MetricsFile(Renaming, Logger):
    """`metrics.csv`: one row a value, appended behind the rows that hold.

    What a run keeps (a checkpoint, a finished stage) says how long the file was. A resumed run goes on there, so that
    in the end the file is that of a run that nothing stopped, byte for byte, wherever it was killed.

    Attributes:
        size: bytes that hold; what lies behind them is replaced by the next rows.
        exact: whether that is known. Of a run of an older version it is not: there rows are dropped by their step.
        silent: whether rows are not written, for they are there already.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        if self.path.is_dir():
            raise RunnerError(f"logger.csv.path={path}: is a directory, and metrics are rows of one file.")
        self.size, self.exact, self.silent = 0, True, False

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
            (self.shifted(step), int(epoch) if epoch != "" else "", cell(name), repr(float(value)))
            for name, value in self.renamed(metrics).items()
            if name != "epoch"
        ]
        if rows and not self.silent:
            self.append(rows)

    def append(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows behind those that hold."""
        with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            self.size = whole_lines(file, self.size)
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows(rows if self.size else [COLUMNS, *rows])
            file.truncate(self.size)
            file.seek(self.size)
            self.size += file.write(text.getvalue().encode())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Drop what lies behind the rows that hold."""
        if self.path.exists() and self.path.stat().st_size > self.size:
            os.truncate(self.path, self.size)

    @rank_zero_only
    def resume(self, size: int | None) -> None:
        """Go on behind the first `size` bytes; None where nobody noted how many hold."""
        self.exact = size is not None
        if size is None and self.path.exists():
            with self.path.open("rb") as file:
                size = whole_lines(file, self.path.stat().st_size)
        self.size = size or 0

    @rank_zero_only
    def continue_from(self, step: int, curves: Mapping[str, Any]) -> None:
        """Go on where something was kept: behind what had been written by then, and what was about to be.

        Args:
            step: without `curves`, rows of this one and later are dropped: the continued run writes them.
            curves: see `place_in`; empty where nothing was kept, or by an older version.
        """
        if self.silent:
            return
        if isinstance(curves.get("bytes"), int) and curves["bytes"] >= 0:
            self.size, self.exact = max(curves["bytes"], self.size if self.exact else 0), True
            if curves["bytes"] == self.size and curves["waiting"]:
                self.log_metrics(curves["waiting"], curves["step"])
        elif not self.exact and self.path.exists():
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines[1:] if line.count(",") == 3 and step_of(line) < step]
            text = "\n".join([",".join(COLUMNS), *kept]) + "\n"
            write_text(self.path, text)
            self.size = len(text.encode())


def whole_lines(file: BinaryIO, size: int) -> int:
    """Return how many of the first `size` bytes are whole lines: all, unless somebody changed the file."""
    size = min(size, file.seek(0, os.SEEK_END))
    file.seek(max(size - 1, 0))
    if not size or file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read(size).rfind(b"\n") + 1


def step_of(line: str) -> int:
    """Return the step of a row of metrics.csv; 0 where it has none."""
    step = line.split(",", 1)[0]
    return int(step) if step.isdecimal() and len(step) <= 20 else 0


def metrics_bytes(loggers: Iterable[Logger]) -> int | None:
    """Return how many bytes of metrics.csv hold; None without one."""
    return next((each.size for each in loggers if isinstance(each, MetricsFile)), None)


def place_in(loggers: Iterable[Logger], waiting: Mapping[str, float], step: int) -> dict[str, Any]:
    """Return how far the curves are at this moment, for what is kept now.

    Args:
        waiting: metrics that are written right after it, in step `step`; nobody else will write them when the run is
            killed in between.
    """
    return {"bytes": metrics_bytes(loggers), "waiting": dict(waiting), "step": step}


def continue_from(loggers: Iterable[Logger], step: int, curves: Mapping[str, Any]) -> None:
    """Make loggers forget what an interrupted run wrote after what it kept; see `MetricsFile.continue_from`."""
    for logger in loggers:
        if isinstance(logger, (MetricsFile, TensorBoard)):
            logger.continue_from(step, curves)


@contextmanager
def silenced(loggers: Sequence[Logger]) -> Iterator[None]:
    """Write no rows within this context, in which a stage is done again whose rows are there."""
    own = [logger for logger in loggers if isinstance(logger, MetricsFile)]
    for each in own:
        each.silent = True
    try:
        yield
    finally:
        for each in own:
            each.silent = False


class MirrorLogger(Logger, ABC):
    """A logger by which a tracking service is told of a run; see `services.mirror.Mirror`."""

    directory: Path

    @abstractmethod
    def push(self, curves: MetricsFile, state: str = "") -> None:
        """Send what holds by now; with one of ENDS the run ended so."""

    @abstractmethod
    def break_off(self, state: str) -> None:
        """Say that this process ends without having finished the run."""


def with_rows(loggers: Sequence[Logger]) -> list[Logger]:
    """Return the loggers, and where one mirrors a run without a logger of its rows, that as well."""
    mirrors = [each for each in loggers if isinstance(each, MirrorLogger)]
    if not mirrors or any(isinstance(each, MetricsFile) for each in loggers):
        return list(loggers)
    return [MetricsFile(str(mirrors[0].directory / layout.METRICS)), *loggers]


def push(loggers: Iterable[Logger], state: str = "") -> None:
    """Let every mirror send what holds by now; see `services.mirror.Mirror`."""
    loggers = list(loggers)
    curves = next((each for each in loggers if isinstance(each, MetricsFile)), None)
    for each in loggers:
        if isinstance(each, MirrorLogger) and curves is not None:
            each.push(curves, state)


@contextmanager
def told_of_its_end(loggers: Sequence[Logger]) -> Iterator[None]:
    """Tell mirrors where what happens within this context breaks off; who finishes it tells them so."""
    try:
        yield
    except BaseException as error:
        for each in loggers:
            if isinstance(each, MirrorLogger):
                each.break_off(INTERRUPTED if isinstance(error, Interrupted) else FAILED)
        raise
