"""Watch: looks at a training before its first step, after its first epoch and at its end, and tells what it noticed."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import FSDPStrategy
from torch.nn.modules.batchnorm import _BatchNorm

from runner.callbacks.watch import symptoms
from runner.callbacks.watch.probe import Answers, ask
from runner.callbacks.watch.symptoms import class_counts, class_notices
from runner.data.module import DataModule
from runner.tasks.base import Task
from runner.tasks.training_log import DivergedError
from runner.tracking.notices import Notice, tell
from runner.tracking.run_directory import RunDirectory

# So few steps say nothing of what a training comes to.
FEWEST_STEPS = 10


class Watch(Callback):
    """Notices of a training, each once and with a remedy, for console, record and report.

    Between its three looks it costs nothing, and it changes nothing: networks evaluate, no sample is augmented, and
    random numbers are as they were. What it knew before the first step lies in every checkpoint.

    Args:
        record: where it writes to.
        balanced: whether classes are weighted or drawn by their size already.
    """

    def __init__(self, record: RunDirectory, *, balanced: bool = False) -> None:
        self.record, self.balanced = record, balanced
        self.first_loss: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the loss before the first step."""
        return {"first_loss": self.first_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it over."""
        self.first_loss = state_dict["first_loss"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the classes, and at the loss of the network as it begins."""
        found = watched(trainer, pl_module)
        if found is None:
            return
        task, data = found
        tell(self.record, class_notices(data, balanced=self.balanced))
        if trainer.global_step == 0:
            self.first_loss = ask(task, data, data.batch_size).loss

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look for dead layers while there is time to stop."""
        found = watched(trainer, pl_module)
        if found is not None and trainer.current_epoch == 0 and trainer.global_step >= FEWEST_STEPS:
            task, data = found
            self._tell([symptoms.dead_layers(ask(task, data, data.batch_size).dead)])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at what training came to."""
        found = watched(trainer, pl_module)
        if found is None or trainer.global_step < FEWEST_STEPS:
            return
        task, data = found
        answers = ask(task, data, data.batch_size)
        first = answers.loss if self.first_loss is None else self.first_loss
        lag, own = lagging(trainer, task, data, answers, first)
        learned = memorised(trainer, data) if lag is None else None
        self._tell([symptoms.dead_layers(answers.dead), outcome(trainer, task, data, own, first), lag, learned])

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep in the record why a training had to stop; whoever raised it tells it to the user."""
        if isinstance(exception, DivergedError):
            tell(self.record, [Notice("exploded", str(exception))], aloud=False)

    def _tell(self, notices: list[Notice | None]) -> None:
        tell(self.record, [each for each in notices if each is not None])


def watched(trainer: pl.Trainer, module: pl.LightningModule) -> tuple[Task, DataModule] | None:
    """Return what is looked at; None for what no single process holds whole, or what is no task of the runner's."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(module, Task) or not isinstance(data, DataModule) or isinstance(trainer.strategy, FSDPStrategy):
        return None
    return (module, data) if len(data.splits.get("train", ())) else None


def outcome(trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float) -> Notice | None:
    """Return what the loss and the answers to training samples say: at most one thing, the worst."""
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    exploded = symptoms.explosion(first, answers.loss, max(map(float, rates), default=0.0))
    constant = symptoms.constant_outputs(answers.outputs)
    predictions = [task.predictions(each) for each in answers.outputs]
    classes = symptoms.classes_of(predictions, answers.targets)
    single = symptoms.one_class(*classes, data.class_names) if classes is not None else None
    if constant is None and predictions and "embedding" in predictions[0]:
        constant = symptoms.collapsed(torch.cat([each["embedding"] for each in predictions]))
    return exploded or constant or single or symptoms.loss_at_rest(first, answers.loss)


def lagging(
    trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float
) -> tuple[Notice | None, Answers]:
    """Return whether batch-norm statistics lag, and the answers that show what the weights learned."""
    if not any(isinstance(each, _BatchNorm) and each.track_running_stats for each in task.network.modules()):
        return None, answers
    own = ask(task, data, data.batch_size, own_statistics=True)
    if not own.outputs:  # one sample has no statistics
        return None, answers
    lag = symptoms.lagging_statistics(first, answers.loss, own.loss, trainer.global_step)
    return lag, answers if lag is None else own


def memorised(trainer: pl.Trainer, data: DataModule) -> Notice | None:
    """Return whether the network learned its samples by heart, where it has classes and was validated."""
    metrics, names = trainer.callback_metrics, data.class_names
    counts = class_counts(data.splits["val"], len(names)) if names else None
    if counts is None or not int(counts.sum()) or not {"train/accuracy", "val/accuracy"} <= {*metrics}:
        return None
    total = int(counts.sum())
    accuracies = float(metrics["train/accuracy"]), float(metrics["val/accuracy"])
    return symptoms.memorised(*accuracies, float(counts.max()) / total, total)
