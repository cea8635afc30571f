"""Pictures: draws what an evaluation showed, once at its end, for TensorBoard."""

import logging
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from runner.data.module import DataModule
from runner.files.text import one_line
from runner.measure import nested
from runner.measure.modes import evaluating
from runner.measure.nested import Nested
from runner.tasks.base import Batch, Task
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

# Pictures of samples are chosen from the first so many of a split.
log = logging.getLogger(__name__)

SAMPLES = 1024
# Not needed by any figure, and large where there are many classes.
LEFT_OUT = "probabilities"
# What predictions call vectors that lie near each other where samples are alike.
EMBEDDING = "embedding"
# So many numbers of targets and predictions are kept; of masks and boxes that is the beginning of a large split.
NUMBERS = 2**26


class Pictures(Callback):
    """The first training batch as the network saw it, and the task's figures of the last validation and the test.

    Nothing is drawn during training: the last validation's predictions are kept and drawn when training ends.
    Without a TensorBoard logger the callback does nothing.
    """

    def __init__(self) -> None:
        self._inputs: list[Any] = []
        self._targets: list[Nested] = []
        self._predictions: list[dict[str, Tensor]] = []
        self._held = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the network's graph, where tracing can follow it."""
        if trainer.global_step == 0 and isinstance(pl_module, Task):
            graph(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Show the augmented first batch, where it is of images."""
        if batch_idx or trainer.current_epoch or not boards(trainer):
            return
        from runner.tasks.figures.plots import image_grid

        if not isinstance(batch[0], Tensor):
            return
        images = outputs(trainer, batch[0].detach().float().cpu(), batch[1], {}).images
        if images is None:
            return
        if isinstance(pl_module, Task):
            images = pl_module.with_targets(images, nested.to(batch[1], "cpu"))
        write(trainer, {"train/first_batch": image_grid(images)})

    def on_validation_epoch_start(self, *args: Any) -> None:
        """Forget the epoch before."""
        self._forget()

    def on_test_epoch_start(self, *args: Any) -> None:
        """Forget the validation."""
        self._forget()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Keep the predictions."""
        self._keep(trainer, pl_module, outputs, batch)

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Keep the predictions."""
        self._keep(trainer, pl_module, outputs, batch)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the last validation."""
        self._draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the test."""
        self._draw(trainer, pl_module, "test")

    def _keep(self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Nested, batch: Batch) -> None:
        if not boards(trainer) or not isinstance(task, Task):
            return
        if self._held > NUMBERS:
            return
        if sum(map(nested.samples, self._inputs)) < SAMPLES:
            self._inputs.append(batch[0])
        self._targets.append(batch[1])
        predictions = {name: value for name, value in task.predictions(outputs).items() if name != LEFT_OUT}
        self._predictions.append(predictions)
        self._held += sum(each.numel() for each in nested.tensors((batch[1], predictions)))

    def _draw(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        if not self._targets or not isinstance(task, Task):
            return
        names = self._predictions[0]
        predictions = {name: joined([each[name] for each in self._predictions]).cpu() for name in names}
        inputs, targets = together(self._inputs), nested.to(nested.join(self._targets, joined), "cpu")
        shown = outputs(trainer, inputs, targets, predictions, task.class_names)
        with evaluating(task), torch.no_grad():
            figures = task.figures(shown)
        write(trainer, {f"{stage}/{name}": figure for name, figure in figures.items()})
        project(trainer, stage, shown)
        self._forget()

    def _forget(self) -> None:
        self._inputs, self._targets, self._predictions = [], [], []
        self._held = 0


def together(inputs: list[Any]) -> Any:
    """Return inputs of several batches on the CPU: tensors in one, float32; of anything else the first batch's."""
    return joined(inputs).float().cpu() if nested.is_single(inputs[0]) else nested.to(inputs[0], "cpu")


def joined(batches: list[Tensor]) -> Tensor:
    """Return batches (n, …) as one; those of sequences (n, T, …) are padded with 0 on the right to the longest."""
    longest = max(batch.shape[1] if batch.ndim > 1 else 0 for batch in batches)
    padded = [
        batch
        if batch.ndim < 2 or batch.shape[1] == longest
        else torch.cat([batch, batch.new_zeros(len(batch), longest - batch.shape[1], *batch.shape[2:])], 1)
        for batch in batches
    ]
    return torch.cat(padded)


def boards(trainer: pl.Trainer) -> list[TensorBoardLogger]:
    """Return the TensorBoard loggers of the main process."""
    return [each for each in trainer.loggers if isinstance(each, TensorBoardLogger)] if trainer.is_global_zero else []


def write(trainer: pl.Trainer, figures: dict[str, "Figure"]) -> None:
    """Add figures to TensorBoard at the current step."""
    from runner.tasks.figures.plots import render

    for name, figure in figures.items():
        pixels = render(figure)
        for board in boards(trainer):
            board.experiment.add_image(name, pixels, trainer.global_step, dataformats="HWC")


def project(trainer: pl.Trainer, stage: str, shown: EvaluationOutputs) -> None:
    """Give embeddings to TensorBoard's projector, those of the first images with their picture and class."""
    if EMBEDDING not in shown.predictions or not isinstance(shown.targets, Tensor):
        return
    images = shown.images
    embeddings = shown.predictions[EMBEDDING][: SAMPLES if images is None else len(images)]
    names, labels = shown.class_names, shown.targets[: len(embeddings)].tolist()
    told = [one_line(str(names[each] if names else each)) for each in labels]
    for board in boards(trainer):
        board.experiment.add_embedding(embeddings, told, images, trainer.global_step, stage)


def graph(trainer: pl.Trainer, task: Task) -> None:
    """Add the network's graph to TensorBoard; a network that cannot be traced has none."""
    data = getattr(trainer, "datamodule", None)
    for board in boards(trainer):
        try:
            with evaluating(task):
                example = nested.to(data.example(1), task.device)  # type: ignore[union-attr]
                board.experiment.add_graph(task.network, (example,))
        except Exception as error:  # tracing fails in as many ways as there are networks
            log.info("No graph of this network: %s", str(error).splitlines()[0])


def outputs(
    trainer: pl.Trainer,
    inputs: Any,
    targets: Nested,
    predictions: dict[str, Tensor],
    class_names: tuple[str, ...] | None = None,
) -> EvaluationOutputs:
    """Return EvaluationOutputs with the normalisation that the data module applied."""
    if not isinstance(inputs, Tensor):
        return EvaluationOutputs(torch.empty(0), targets, predictions, class_names=class_names, samples=inputs)
    data = getattr(trainer, "datamodule", None)
    scale = data.scale() if isinstance(data, DataModule) else None
    mean, std = ((), ()) if scale is None else (tuple(scale.mean), tuple(scale.std))
    return EvaluationOutputs(inputs, targets, predictions, mean, std, class_names)
