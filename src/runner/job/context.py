"""Context: what does not change while a run goes on, and what its finished stages have measured and written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from torch import nn

from runner.data.module import DataModule
from runner.measure import nested
from runner.measure.nested import Nested
from runner.tasks.base import Task
from runner.tracking import layout
from runner.tracking.result import ArtifactFile
from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import Signals


@dataclass
class Results:
    """What the finished stages of a run came to; stages read it, only the spine (`runner.run.run`) adds to it.

    Attributes:
        metrics: values by full name (`test/accuracy`).
        seconds: wall time of each stage.
        artifacts: files of the run directory by name.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, ArtifactFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What the stages of one run share and none of them changes.

    Attributes:
        config: the run's configuration, composed and checked.
        record: the run directory.
        datamodule: the data, read and divided.
        resumed: whether the run goes on after an interruption.
        dry_run: whether nothing follows the preflight, which then finds all that a stage would refuse at its start.
        results: of the stages before.
        teachers: networks that were opened to teach, by place, so that each is opened once.
    """

    config: DictConfig
    record: RunDirectory
    signals: Signals
    datamodule: DataModule
    loggers: list[Logger]
    resumed: bool = False
    dry_run: bool = False
    results: Results = field(default_factory=Results)
    teachers: dict[str, nn.Module] = field(default_factory=dict, repr=False)

    @property
    def checkpoints(self) -> Path:
        """The directory of the run's checkpoints."""
        return self.record.path / layout.CHECKPOINTS

    @property
    def artifacts(self) -> Path:
        """The directory of the files that the run leaves behind."""
        return self.record.path / layout.ARTIFACTS

    def artifact(self, path: Path) -> ArtifactFile:
        """Return the entry of a file of the run directory for `result.json`."""
        return ArtifactFile(str(path.relative_to(self.record.path)), path.stat().st_size)

    @property
    def validation(self) -> str:
        """The split that networks are compared on: `val`, or `train` where there is no validation data."""
        return "val" if len(self.datamodule.splits["val"]) else "train"

    def example(self) -> Nested:
        """Return two inputs as the network takes them, on the CPU, or one of data that is shown one by one."""
        return nested.to(self.datamodule.example(2), "cpu")

    def monitored(self, task: Task, network: nn.Module) -> float:
        """Return the task's monitored metric of any network on validation data (training data where there is none)."""
        return self.measured(task, network)[self.config.task.monitor.replace("val/", f"{self.validation}/")]

    def measured(self, task: Task, network: nn.Module) -> dict[str, float]:
        """Return loss and metrics of any network: `val/…`, or `train/…` where there is no validation data."""
        samples = self.datamodule.splits[self.validation]
        batches = self.datamodule.batches(samples, self.config.data.batch_size)
        found = task.measure(network, self.signals.between(batches))
        return {name.replace("val/", f"{self.validation}/", 1): value for name, value in found.items()}


def selected(metrics: Mapping[str, Any], *prefixes: str) -> dict[str, float]:
    """Return the metrics whose names begin with one of the prefixes, without those of single steps."""
    wanted = {name: float(value) for name, value in metrics.items() if name.startswith(prefixes)}
    return {name: value for name, value in wanted.items() if not name.endswith("_step")}
