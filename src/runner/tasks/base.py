"""Task: one network, its loss, metrics and pictures, trained by Lightning without paying for the record."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from runner.data.module import DataModule
from runner.measure import nested
from runner.measure.modes import evaluating
from runner.measure.nested import Nested
from runner.tasks.class_balance import Weights, are_unequal, class_counts, class_metrics, weights_of
from runner.tasks.evaluation import Evaluation
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.optimization import Optimization, freeze, frozen_norms
from runner.tasks.training_log import TrainingLog

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

# Outputs and targets of a task are what its own docstring says: tensors, or tuples or dicts of them.
Batch = tuple[Nested, Nested]


class Task(pl.LightningModule, ABC):
    """A kind of problem: its loss, metrics, predictions and figures.

    Batches are `(inputs, targets)` as the data module yields them. Training logs `train/loss_step` and `train/*`
    (see `TrainingLog`), evaluation `val/*` and `test/*`. A loss that stops being finite raises `DivergedError`.

    Args:
        network: inputs to outputs; always reachable as `task.network`. Where it was made smaller, `task.structure`
            holds the steps that lead to it (see `compression.files.rebuild`), which checkpoints keep. Where a teacher
            takes part, `task.distillation_loss` makes the loss of a training step out of the task's own; its parameters
            train along.
        optimizer, scheduler, schedule_interval, schedule_monitor, decay_bias_and_norm, decay_only: see `Optimization`.
        trainable: which parameters train; see `runner.tasks.optimization.freeze`.
    """

    # Of classes, in training only: float32 (num_classes,).
    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., Any] | None = None,
        *,
        schedule_interval: str = "epoch",
        schedule_monitor: str | None = None,
        decay_bias_and_norm: bool = False,
        decay_only: Sequence[str] = (),
        trainable: str | Sequence[str] = "all",
    ) -> None:
        super().__init__()
        freeze(network, trainable)
        self.network = network
        self.structure: list[dict[str, Any]] = []
        self.distillation_loss: nn.Module | None = None
        self.optimization = Optimization(
            optimizer, scheduler, schedule_interval, schedule_monitor, decay_bias_and_norm, tuple(decay_only)
        )
        self.class_names: tuple[str, ...] | None = None
        self.register_buffer("class_weights", None, persistent=False)
        self.training_log = TrainingLog(self.hits)
        self.validation = Evaluation("val", self.make_metrics(), self.metric_inputs)
        self.testing = Evaluation("test", self.make_metrics(), self.metric_inputs)

    @abstractmethod
    def loss(self, outputs: Nested, targets: Nested) -> Tensor:
        """Return the mean loss of a batch, 0-d."""

    @property
    def width(self) -> tuple[int, int] | None:
        """Axis of the outputs that tells classes or targets apart, and how many there are; None where none does."""
        return None

    def training_loss(self, inputs: Any, outputs: Nested, targets: Nested) -> Tensor:
        """Return the quantity that a training step minimises, 0-d: the loss, unless inputs or network add to it."""
        return self.loss(outputs, targets)

    @abstractmethod
    def make_metrics(self) -> dict[str, Metric]:
        """Return fresh metrics by name."""

    @abstractmethod
    def metric_inputs(self, outputs: Nested, targets: Nested) -> Batch:
        """Return outputs and targets of any number of samples as the metrics take them."""

    @abstractmethod
    def predictions(self, outputs: Nested) -> dict[str, Tensor]:
        """Return network outputs in the user's terms: tensors whose first dimension is the sample."""

    @abstractmethod
    def rows(self, outputs: Nested, targets: Nested | None = None) -> list[dict[str, Any]]:
        """Return one row of plain values a sample, for a CSV or JSON file; with the true value where it is known."""

    def answers(self, outputs: Nested) -> list[list[dict[str, Any]]]:
        """Return what is said of each sample to who asks for a prediction: its row, or one row an object."""
        return [[row] for row in self.rows(outputs)]

    def decoder(self, outputs: Nested) -> nn.Module | None:
        """Return a module from outputs shaped like these to detections (N, most, 6), for files that hold both.

        None where outputs need no decoding.
        """
        return None

    def pixel_scores(self, outputs: Nested) -> Tensor | None:
        """Return scores of the classes for each pixel, float (N, C, H, W); None where pixels have no class."""
        return None

    def object_masks(self, outputs: Nested) -> Tensor | None:
        """Return a mask for each row of the first of `answers`, float (rows, H, W) from 0 to 1; None: no masks."""
        return None

    def answering(self) -> dict[str, Any] | None:
        """Return as plain values what `answers` does, for files that are served without a task; see `tasks.answers`.

        None where that can't be told: it then answers with this object.
        """
        return None

    def names(self, count: int) -> list[str]:
        """Return the names of `count` classes; their indices where they have none."""
        return [str(each) for each in self.class_names or range(count)]

    def hits(self, outputs: Nested, targets: Nested) -> Tensor | None:
        """Return the number of right answers among training samples, 0-d; None where there is no right and wrong."""
        return None

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return pictures of an evaluated split, by name."""
        return {}

    def with_targets(self, images: Tensor, targets: Nested) -> Tensor:
        """Return training images (n, 1 or 3, h, w) from 0 to 1 as a person checks them: with boxes or masks on them."""
        return images

    def describe(self, datamodule: DataModule) -> None:
        """Take over what the data knows; called once, after the data was set up."""
        self.class_names = datamodule.class_names

    def balance(self, datamodule: DataModule, asked: Weights, num_classes: int) -> None:
        """Take over weights of classes, and measure each class where that says more; called by `describe`.

        `asked` is what `task.class_weights` says. The weights are of the training split; they make the training loss
        only, so losses of validation and test stay comparable.
        """
        counts = class_counts(datamodule, num_classes)
        weights = weights_of(asked, counts, self.class_names, num_classes)
        self.register_buffer("class_weights", weights, persistent=False)
        chosen = weights is not None or datamodule.row_sampling is not None
        if chosen or (counts is not None and are_unequal(counts)):
            self.use_metrics({**self.make_metrics(), **class_metrics(num_classes, self.class_names)})

    def use_metrics(self, metrics: dict[str, Metric]) -> None:
        """Evaluate validation and test by these metrics from now on."""
        self.validation = Evaluation("val", metrics, self.metric_inputs)
        # Copied together: what metrics share they go on sharing.
        self.testing = Evaluation("test", copy.deepcopy(metrics), self.metric_inputs)

    def call(self, network: nn.Module, inputs: Any) -> Nested:
        """Return the outputs of `network`, the task's own or one that stands in for it, for the inputs of a batch."""
        return network(inputs)

    def standalone(self) -> nn.Module:
        """Return a copy of the network on the CPU for compression: in evaluation mode, one tensor as its input."""
        return copy.deepcopy(self.network).cpu().eval()

    def forward(self, inputs: Any) -> Nested:
        """Return the network's outputs."""
        return self.call(self.network, inputs)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the attribute as nn.Module does, but for Lightning's name of the running hook.

        Lightning sets `_current_fx_name` forty times a step; nn.Module would look each time whether it is a parameter,
        a buffer or a module.
        """
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def train(self, mode: bool = True) -> "Task":
        """Set the mode as always, but let frozen batch normalisation keep its statistics."""
        super().train(mode)
        self._rest_frozen_norms()
        return self

    @torch.no_grad()
    def loss_on(self, batch: Batch) -> float:
        """Return the loss of one batch in evaluation mode."""
        with evaluating(self):
            return float(self.loss(self(nested.to(batch[0], self.device)), nested.to(batch[1], self.device)))

    @torch.no_grad()
    def measure(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return loss and metrics (`val/…`) of any network that answers like this task's, outside a trainer."""
        with evaluating(network):
            for inputs, targets in batches:
                outputs = self.call(network, inputs)
                self.validation.add(self.loss(outputs, targets), outputs, targets)
        return self.results(self.validation)

    def results(self, evaluation: Evaluation) -> dict[str, float]:
        """Return loss and metrics of all that an evaluation was shown, by name."""
        return evaluation.results()

    def setup(self, stage: str) -> None:
        """Begin with an empty log, which Lightning restores from a checkpoint after this, and with frozen statistics.

        Lightning trains modules in the mode in which it finds them: it calls `train` neither before nor in between.
        """
        if stage == "fit":
            self.training_log = TrainingLog(self.hits)
            self._rest_frozen_norms()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, noted for the log."""
        inputs, targets = batch
        outputs = self.call(self.network, inputs)
        loss = self.training_loss(inputs, outputs, targets)
        if self.distillation_loss is not None:
            loss = self.distillation_loss(inputs, outputs, targets, loss)
        self.training_log.add_batch(self, batch_idx, loss.detach(), nested.map_tensors(Tensor.detach, outputs), targets)
        return loss

    def on_train_epoch_end(self) -> None:
        """Log an epoch that ended before its last batch (`max_steps`, a callback that stopped it)."""
        self.training_log.read(self.trainer)
        self.training_log.log_epoch(self)

    def on_validation_start(self) -> None:
        """Notice a broken training before its weights are evaluated."""
        self.training_log.read(self.trainer)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the outputs of a batch."""
        return self._evaluate(self.validation, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the outputs of a batch."""
        return self._evaluate(self.testing, batch)

    def predict_step(self, batch: Any, batch_idx: int = 0) -> dict[str, Tensor]:
        """Return predictions for a batch of inputs, with or without targets."""
        return self.predictions(self(batch[0] if isinstance(batch, (tuple, list)) else batch))

    def on_validation_epoch_end(self) -> None:
        """Log `val/*`."""
        self.log_dict(self.results(self.validation), batch_size=1, sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log `test/*`."""
        self.log_dict(self.results(self.testing), batch_size=1, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the sums of an epoch under way; raises DivergedError instead of saving broken weights."""
        if self._trainer is not None:
            self.training_log.read(self._trainer)
        checkpoint["training_log"] = self.training_log.state_dict()
        checkpoint["structure"] = self.structure

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the saved sums."""
        if "training_log" in checkpoint:
            self.training_log.load_state_dict(checkpoint["training_log"])

    def configure_optimizers(self) -> Any:
        """Return the optimizer over the parameters that train, and its scheduler."""
        also = [] if self.distillation_loss is None else list(self.distillation_loss.parameters())
        return self.optimization.configure(self.network, self.trainer, also)

    def _rest_frozen_norms(self) -> None:
        for norm in frozen_norms(self.network):
            norm.eval()

    def _evaluate(self, evaluation: Evaluation, batch: Batch) -> Tensor:
        inputs, targets = batch
        outputs = self.call(self.network, inputs)
        evaluation.add(self.loss(outputs, targets), outputs, targets)
        return outputs
