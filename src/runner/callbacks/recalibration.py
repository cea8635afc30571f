"""RecalibrateBatchNorm: running statistics made anew from training data, before every validation."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.callbacks.watch.watch import answer, probe
from runner.data.module import DataModule
from runner.measure import nested
from runner.measure.modes import evaluating
from runner.tasks.base import Task

BATCHES = 64


class RecalibrateBatchNorm(Callback):
    """Statistics of the weights as they are, not an average over those that they were.

    Training itself normalises by each batch, so its weights stay what they would have been; validation, and with it
    the choice of the best epoch, every checkpoint and every later stage see the new statistics. They come from up to 64
    batches of training samples that are not augmented, in an order of their own, and depend on nothing before.
    """

    def __init__(self) -> None:
        self.done: int | None = None

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Recalibrate the weights that are about to be validated: the averaged ones, where weights are averaged."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._recalibrate(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do the same after an epoch without validation, before its checkpoint is written."""
        if self.done != trainer.global_step:
            self._recalibrate(trainer, pl_module)

    def _recalibrate(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        if isinstance(task, Task) and isinstance(data, DataModule):
            recalibrate(task, data)
        self.done = trainer.global_step


@torch.no_grad()
def recalibrate(task: Task, datamodule: DataModule) -> None:
    """Set the running statistics of every batch normalisation that trains to the mean over training batches."""
    norms = [each for each in task.network.modules() if isinstance(each, _BatchNorm) and keeps_statistics(each)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    size = datamodule.batch_size
    with evaluating(task):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
            norm.train()
        for inputs, targets in probe(datamodule, size, BATCHES * size):
            if nested.samples(targets) > 1 or datamodule.at_most(2) == 1:
                answer(task, inputs)
    for norm, momentum, count in zip(norms, momenta, counts, strict=True):
        norm.momentum = momentum
        if count is not None and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.copy_(count)


def keeps_statistics(norm: _BatchNorm) -> bool:
    """Return whether a batch normalisation has running statistics, and is not frozen."""
    own = list(norm.parameters(recurse=False))
    return norm.track_running_stats and (not own or any(parameter.requires_grad for parameter in own))
