"""Networks: what a run has made of its network so far, what a stage hands back, and what networks are chosen by."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from runner.job.context import Context
from runner.report.ranking.outcome import phase_of, validation_name
from runner.tasks.base import Task
from runner.tracking.result import ArtifactFile

if TYPE_CHECKING:  # torchao takes seconds to import, and most runs do not compress
    from runner.compression.network import CompressedNetwork
# Stages after which a run has trained weights; without them it was given some, or nothing is to be measured.
UNTRAINED = {"cross_validate", "overfit"}


@dataclass(frozen=True)
class Networks:
    """The networks of a run. A stage changes none of it: it returns another one (see `StageResult`).

    Attributes:
        task: trains and tests `task.network`, the network that the run would end with now.
        steps: optimizer steps that the trainings of this run took.
        checkpoint: the file that holds the float network, where one was kept.
        resume_from: the checkpoint in the middle of a training from which the stage fit goes on.
        trained: the network as it was trained, on the CPU: the baseline; None until something is made of it.
        smaller: the float network that pruning or factorization made of it.
        smaller_phase: the last of them: `pruned` or `factorized`.
        quantized: what quantization made of it.
    """

    task: Task
    steps: int = 0
    checkpoint: Path | None = None
    resume_from: Path | None = None
    trained: nn.Module | None = None
    smaller: nn.Module | None = None
    smaller_phase: str | None = None
    quantized: "CompressedNetwork | None" = None

    @property
    def phase(self) -> str:
        """The first part of the names of test metrics: `test` (as trained), `pruned`, `factorized`, `compressed`."""
        return "compressed" if self.quantized is not None else self.smaller_phase or "test"

    @property
    def baseline(self) -> nn.Module:
        """The float network before anything made it smaller."""
        return self.trained if self.trained is not None else self.task.standalone()

    @property
    def floating(self) -> nn.Module:
        """The float network, made smaller or not."""
        return self.smaller if self.smaller is not None else self.baseline

    def with_baseline(self) -> "Networks":
        """Return the same, with the network as it is now as the baseline unless there is one."""
        return replace(self, trained=self.baseline)

    def made_smaller(self, network: nn.Module, structure: Sequence[dict[str, Any]], phase: str) -> "Networks":
        """Return the same with a smaller float network in the task.

        Args:
            network: on the CPU, in evaluation mode.
            structure: the steps that lead to it from the configured one; see `compression.files.rebuild`.
            phase: `pruned` or `factorized`.
        """
        before = self.with_baseline()
        self.task.network, self.task.structure = network, list(structure)
        return replace(before, smaller=self.task.standalone(), smaller_phase=phase)


@dataclass(frozen=True)
class StageResult:
    """What a stage came to; the spine keeps it.

    Attributes:
        metrics: by full name.
        artifacts: files of the run directory by name.
        networks: the run's networks from now on; None where the stage changes none.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, ArtifactFile] = field(default_factory=dict)
    networks: Networks | None = None


def on_validation(context: Context, networks: Networks) -> dict[str, float]:
    """Return the metrics on validation data of the smaller network, and the monitored one of what it was made of.

    Recipes are chosen by these, so that test data chooses nothing. `compressed/val/accuracy` and the like; where there
    is no validation data, `compressed/train/accuracy`, so that nobody takes one for the other.
    """
    task, phase = networks.task, networks.phase
    monitor = context.config.task.monitor.replace("val/", f"{context.validation}/")
    metrics = {f"{phase}/{name}": value for name, value in context.measured(task, task.network).items()}
    if networks.trained is not None and f"baseline/{monitor}" not in context.results.metrics:
        metrics[f"baseline/{monitor}"] = context.monitored(task, networks.trained)
    return metrics


def what_is_missing(context: Context, networks: Networks, done: list[str]) -> dict[str, float]:
    """Return the metrics on validation data of the network that a run ended with, where no stage measured them.

    Of a run that only tests, or makes smaller what it does not test. Nothing where nothing was trained, and nothing for
    a network as it was trained where there is no validation data.
    """
    if not {*done} - UNTRAINED:
        return {}
    metrics, monitor = context.results.metrics, context.config.task.monitor
    if networks.phase != "test":
        known = phase_of(metrics) == networks.phase and validation_name(metrics, monitor)
        return {} if known else on_validation(context, networks)
    if validation_name(metrics, monitor):
        return {}
    return context.measured(networks.task, networks.task.network) if context.validation == "val" else {}
