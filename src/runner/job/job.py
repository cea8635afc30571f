"""Job: what the stages of one run share, built once from the configuration."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor, nn

from runner.callbacks.checkpoint import BestAndLast
from runner.callbacks.interruption import StopOnRequest, StopOnSignal
from runner.callbacks.keep_zeros import KeepZeros
from runner.callbacks.pictures import Pictures
from runner.callbacks.progress import progress
from runner.callbacks.training_state import TrainingState
from runner.compression.pruning.zeros import kept_by
from runner.data.module import DataModule
from runner.job.assemble import build_task
from runner.job.build import build
from runner.tasks.base import Task
from runner.tracking import checkpoints
from runner.tracking.result import ArtifactFile
from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import Signals

if TYPE_CHECKING:  # torchao takes seconds to import, and most runs do not compress
    from runner.compression.network import CompressedNetwork

log = logging.getLogger(__name__)

# Lightning makes torch ask the NVIDIA driver whether there is a GPU, and optimizers ask at every step. Where there is
# no driver to be found, that search takes 80 microseconds each time.
if not torch.cuda.is_available():
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


@dataclass
class Job:
    """One run in progress.

    Attributes:
        metrics: what the stages measured so far, by full name (`test/accuracy`).
        seconds: wall time of each stage.
        resume_from: the checkpoint from which training goes on, where a run is continued.
        resumed: whether the run is continued.
        steps: optimizer steps that the trainings of this run took so far.
        phase: what the network has been through, as its test metrics are named: `test` (trained), `pruned`,
            `factorized`, `compressed`.
        smaller: `pruned` or `factorized` where the float network is no longer as it was trained.
        teacher: whose outputs guide training, where there is one; see `stages.parts.distillation`.
        dense_network: as it was before anything made it smaller: the baseline.
        float_network: what was quantized; the dense network, or what pruning and factorization made of it.
        compressed: what quantization made of it.
    """

    config: DictConfig
    record: RunDirectory
    signals: Signals
    datamodule: DataModule
    task: Task
    loggers: list[Logger]
    resume_from: Path | None = None
    resumed: bool = False
    steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, ArtifactFile] = field(default_factory=dict)
    checkpoint: Path | None = None
    phase: str = "test"
    smaller: str | None = None
    teacher: nn.Module | None = None
    dense_network: nn.Module | None = None
    float_network: nn.Module | None = None
    compressed: "CompressedNetwork | None" = None
    calibration: list[Tensor] = field(default_factory=list)

    def trainer(
        self,
        *,
        validate: bool = True,
        recording: bool = True,
        folder: str = "",
        extra: Sequence[Callback] = (),
        **overrides: Any,
    ) -> pl.Trainer:
        """A fresh trainer; without validation it keeps the latest weights, without recording it writes nothing.

        Args:
            folder: below `checkpoints/`, for a second training of the same run.
            extra: further callbacks.
            overrides: settings of the trainer other than the configured ones.

        Raises:
            RunnerError: this machine or this network cannot do what the trainer was asked.
        """
        loggers = self.loggers if recording else []
        # Before whatever averages weights.
        zeros = [KeepZeros()] if kept_by(self.task.structure) else []
        callbacks = [*zeros, *extra, *self.callbacks(validate=validate, recording=recording, folder=folder)]
        settings: dict[str, Any] = {
            "logger": loggers or False,
            "callbacks": callbacks,
            "default_root_dir": str(self.record.path),
            "enable_checkpointing": any(isinstance(each, pl.callbacks.Checkpoint) for each in callbacks),
            "enable_model_summary": False,
            "enable_progress_bar": any(isinstance(each, pl.callbacks.ProgressBar) for each in callbacks),
            **overrides,
        }
        trainer = build(self.config, "trainer", **settings)
        assert isinstance(trainer, pl.Trainer)
        return trainer

    def callbacks(self, *, validate: bool = True, recording: bool = True, folder: str = "") -> list[Callback]:
        """The configured callbacks and those every run has."""
        configured = {name: build(self.config, f"callbacks.{name}") for name in self.config.callbacks or {}}
        chosen = [each for name, each in configured.items() if suits(name, each, validate, recording)]
        for each in chosen:
            if isinstance(each, BestAndLast):
                each.monitor = each.monitor if validate else None
                each.dirpath = str(Path(each.dirpath or "") / folder)
        own: list[Callback] = [progress()]
        if recording:
            stop = StopOnSignal(self.signals, self.record.path / "checkpoints" / folder / f"{checkpoints.LAST}.ckpt")
            own += [TrainingState(), *([] if folder else [Pictures(), StopOnRequest(self.record)]), stop]
        return [*chosen, *own]

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the wall time of the block to the stage's seconds; tells status.json which stage is under way."""
        self.record.update_status(stage=stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
            self.record.update_status(seconds=self.seconds)

    def collect(self, metrics: dict[str, Any], *prefixes: str) -> None:
        """Takes over the metrics whose names begin with one of the prefixes."""
        wanted = {name: float(value) for name, value in metrics.items() if name.startswith(prefixes)}
        self.metrics |= {name: value for name, value in wanted.items() if not name.endswith("_step")}

    def keep(self, name: str, path: Path) -> None:
        """Lists a file of the run directory among the result's artifacts."""
        self.artifacts[name] = ArtifactFile(str(path.relative_to(self.record.path)), path.stat().st_size)

    def monitored(self, network: nn.Module) -> float:
        """The task's monitored metric of any network on the validation data (training data where there is none)."""
        samples = self.datamodule.splits["val" if len(self.datamodule.splits["val"]) else "train"]
        parts = samples.indices.split(self.config.data.batch_size)
        batches = ((self.datamodule.transform(samples.rows[part]), samples.row_targets[part]) for part in parts)
        return self.task.measure(network, batches)[self.config.task.monitor]

    def remember_dense(self) -> None:
        """Keeps the network as it is now as the baseline, unless an earlier stage did."""
        self.dense_network = self.dense_network or self.task.standalone()

    def replace_network(self, network: nn.Module, structure: Sequence[dict[str, Any]], phase: str) -> None:
        """Goes on with a smaller float network.

        Args:
            structure: the steps that lead to it from the configured one; see `compression.files.rebuild`.
            phase: `pruned` or `factorized`.
        """
        self.task.network = network
        self.task.structure = list(structure)
        self.float_network, self.phase, self.smaller = self.task.standalone(), phase, phase

    def new_task(self) -> Task:
        """A task with a freshly initialised network, for the data as it is divided now."""
        return build_task(self.config, self.datamodule)


def suits(name: str, callback: Callback, validate: bool, recording: bool) -> bool:
    """Whether a configured callback takes part: early stopping needs validation, checkpoints a record."""
    if isinstance(callback, pl.callbacks.EarlyStopping):
        return validate
    if isinstance(callback, (pl.callbacks.Checkpoint, pl.callbacks.LearningRateMonitor)) or name == "profile":
        return recording
    return True
