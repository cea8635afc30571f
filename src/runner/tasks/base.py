"""Task: one network, its loss and its metrics, trained by Lightning without paying for the record."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.tasks.divergence import DivergedError
from runner.tasks.evidence import Evidence
from runner.tasks.parameter_groups import parameter_groups
from runner.tasks.record import Record
from runner.tasks.trainable import freeze, frozen_norms

Batch = tuple[Tensor, Tensor]
# Outputs wait for so many evaluation batches before the metrics look at them together.
EVALUATION_BATCHES = 64


class Task(pl.LightningModule, ABC):
    """What a kind of problem has of its own: loss, metrics, predictions and figures.

    Batches are `(inputs, targets)` as the data module yields them. Training logs `train/loss_step` (mean since the
    last point) every `trainer.log_every_n_steps` steps and epoch means as `train/*`; evaluation logs `val/*` and
    `test/*`. Losses stay on the device until they are logged, except on a CPU, where looking costs nothing.

    Args:
        network: inputs to outputs; always reachable as `task.network`.
        optimizer: called with parameter groups.
        scheduler: called with the optimizer, and with `total_steps` where it takes that.
        schedule_interval: `step` or `epoch`: how often the scheduler is asked.
        schedule_monitor: the metric a plateau scheduler follows.
        trainable: see `runner.tasks.trainable.freeze`.
        decay_bias_and_norm: whether weight decay also applies to biases and normalisation parameters.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., Any] | None = None,
        *,
        schedule_interval: str = "epoch",
        schedule_monitor: str | None = None,
        trainable: str | Sequence[str] = "all",
        decay_bias_and_norm: bool = False,
    ) -> None:
        super().__init__()
        freeze(network, trainable)
        self.network = network
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.schedule_interval, self.schedule_monitor = schedule_interval, schedule_monitor
        self.decay_bias_and_norm = decay_bias_and_norm
        self.class_names: tuple[str, ...] | None = None
        self.metrics = nn.ModuleDict(
            {stage: MetricCollection(dict(self.make_metrics()), prefix=f"{stage}/") for stage in ("val", "test")}
        )
        self.record, self.evaluation = Record(), Record()
        self._unseen: list[Batch] = []
        self._last_batch: tuple[int, int] | None = None

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch, 0-d."""

    @abstractmethod
    def make_metrics(self) -> dict[str, Metric]:
        """Fresh metrics by name, for one evaluation stage."""

    @abstractmethod
    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """What the metrics' `update` takes, from outputs and targets of any number of samples."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Network outputs in the user's terms: tensors whose first dimension is the sample."""

    @abstractmethod
    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """One row of plain values a sample, for a CSV or JSON file; with the true value where it is known."""

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The number of right answers of a training batch, 0-d, or None where there is no right and wrong."""
        return None

    def figures(self, evidence: Evidence) -> dict[str, Figure]:
        """Pictures of an evaluated split, by name."""
        return {}

    def describe(self, datamodule: DataModule) -> None:
        """Takes over what the data knows; called once, after the data was set up."""
        self.class_names = datamodule.class_names

    def forward(self, inputs: Tensor) -> Tensor:
        """The network's outputs."""
        return self.network(inputs)  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> "Task":
        """As always, but frozen batch normalisation keeps its statistics."""
        super().train(mode)
        for norm in frozen_norms(self.network):
            norm.eval()
        return self

    @torch.no_grad()
    def loss_on(self, batch: Batch) -> float:
        """The loss of one batch in evaluation mode."""
        training = self.training
        self.eval()
        loss = self.loss(self(batch[0].to(self.device)), batch[1].to(self.device))
        self.train(training)
        return float(loss)

    def setup(self, stage: str) -> None:
        """A training begins with an empty record; Lightning restores a checkpoint's after this."""
        if stage == "fit":
            self.record, self._last_batch = Record(), None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, noted for the log."""
        inputs, targets = batch
        outputs = self(inputs)
        loss = self.loss(outputs, targets)
        self._note(loss.detach(), self.hits(outputs.detach(), targets), len(targets), batch_idx)
        return loss

    def on_train_epoch_end(self) -> None:
        """Logs an epoch that ended before its last batch (`max_steps`)."""
        self._read()
        self._log_epoch()

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The outputs of a batch."""
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The outputs of a batch."""
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch | Tensor, batch_idx: int = 0) -> dict[str, Tensor]:
        """Predictions for a batch of inputs, with or without targets."""
        return self.predictions(self(batch if isinstance(batch, Tensor) else batch[0]))

    def on_validation_start(self) -> None:
        """A broken training is noticed before its weights are evaluated."""
        if self.trainer.training or self.trainer.validating:
            self._read()

    def on_validation_epoch_end(self) -> None:
        """Logs `val/*`."""
        self._log_evaluation("val")

    def on_test_epoch_end(self) -> None:
        """Logs `test/*`."""
        self._log_evaluation("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Saves the sums of an epoch under way; refuses to save weights whose loss is no longer finite."""
        self._read()
        checkpoint["record"] = self.record.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on with the saved sums."""
        if "record" in checkpoint:
            self.record.load_state_dict(checkpoint["record"])

    def configure_optimizers(self) -> Any:
        """The optimizer over the parameters that train, and its scheduler as Lightning takes it."""
        optimizer = self.make_optimizer(self._parameter_groups())
        if self.make_scheduler is None:
            return optimizer
        config: dict[str, Any] = {"scheduler": self._scheduler(optimizer), "interval": self.schedule_interval}
        if self.schedule_monitor is not None:
            # A run without validation has nothing to follow; Lightning then warns instead of stopping.
            config |= {"monitor": self.schedule_monitor, "strict": False}
            config["frequency"] = self.trainer.check_val_every_n_epoch or 1
        return {"optimizer": optimizer, "lr_scheduler": config}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        parameters = inspect.signature(self.make_optimizer).parameters
        decay = parameters["weight_decay"].default if "weight_decay" in parameters else 0.0
        if not decay or self.decay_bias_and_norm:
            return [{"params": [each for each in self.network.parameters() if each.requires_grad]}]
        return parameter_groups(self.network, decay)

    def _scheduler(self, optimizer: Optimizer) -> Any:
        assert self.make_scheduler is not None
        make = self.make_scheduler
        given = make.keywords if isinstance(make, partial) else {}
        if "total_steps" not in inspect.signature(make).parameters or given.get("total_steps"):
            return make(optimizer)
        per_step = self.schedule_interval == "step"
        total = self.trainer.estimated_stepping_batches if per_step else self.trainer.max_epochs
        if total is None or total < 1 or math.isinf(total):
            raise RunnerError("This scheduler must know when training ends: set trainer.max_epochs.")
        return make(optimizer, total_steps=int(total))

    def _note(self, loss: Tensor, hits: Tensor | None, count: int, batch_idx: int) -> None:
        trainer = self.trainer
        step = trainer.global_step + 1
        watched = loss.device.type == "cpu" and trainer.world_size == 1
        this_batch = (trainer.current_epoch, batch_idx)
        if this_batch == self._last_batch:  # LBFGS evaluates a batch many times; the first one counts
            if watched and not math.isfinite(loss.item()):
                self._stop(step, loss.item())
            return
        first_of_step, self._last_batch = step != self._last_step, this_batch
        self._last_step = step
        self.record.add(step, count, loss, hits)
        due = first_of_step and step % trainer.log_every_n_steps == 0
        if watched or due or trainer.is_last_batch:
            self._read()
        if due:
            self._log_curve(step)
        if trainer.is_last_batch:
            self._log_epoch()
