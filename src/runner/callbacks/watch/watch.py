"""Watch: looks at a training before its first step, after its first epoch and at its end, and tells what it noticed."""

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import FSDPStrategy
from torch.nn.modules.batchnorm import _BatchNorm

from runner.callbacks.watch import symptoms
from runner.callbacks.watch.classes import class_counts, class_notices
from runner.callbacks.watch.probe import Answers, ask
from runner.data.module import DataModule
from runner.tasks.base import Task
from runner.tasks.divergence import DivergedError
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
        self._tell(
            [
                symptoms.dead_layers(answers.dead),
                *outcome(trainer, task, data, answers, first),
                *generalisation(trainer, task, data, answers, first),
            ]
        )

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


def outcome(
    trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float
) -> Iterator[Notice | None]:
    """Yield what the loss and the answers to training samples say: at most one of them, the worst."""
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    exploded = symptoms.explosion(first, answers.loss, max(map(float, rates), default=0.0))
    constant = symptoms.constant_outputs(answers.outputs)
    predictions = [task.predictions(each) for each in answers.outputs]
    classes = symptoms.classes_of(predictions, answers.targets)
    single = symptoms.one_class(*classes, task.class_names) if classes is not None else None
    yield exploded or constant or single or symptoms.loss_at_rest(first, answers.loss)


def generalisation(
    trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float
) -> Iterator[Notice | None]:
    """Yield why validation may be worse than training: statistics that lag, or a network that learned by heart."""
    norms = [each for each in task.network.modules() if isinstance(each, _BatchNorm) and each.track_running_stats]
    lag = None
    if norms and not task.distillation_loss:
        own = ask(task, data, data.batch_size, own_statistics=True).loss
        lag = symptoms.lagging_statistics(first, answers.loss, own, trainer.global_step)
    yield lag
    metrics, names = trainer.callback_metrics, data.class_names
    if lag is None and names and {"train/accuracy", "val/accuracy"} <= {*metrics}:
        counts = class_counts(data.splits["val"], len(names))
        if counts is not None and int(counts.sum()):
            chance, total = float(counts.max() / counts.sum()), int(counts.sum())
            yield symptoms.memorised(float(metrics["train/accuracy"]), float(metrics["val/accuracy"]), chance, total)
