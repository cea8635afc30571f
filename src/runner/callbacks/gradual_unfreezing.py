"""GradualUnfreezing: the parts of a network begin to train one after the other, from the output layer inwards."""

from collections.abc import Sequence

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from runner.tasks.optimization import frozen_norms


class GradualUnfreezing(Callback):
    """Gradual unfreezing (Howard & Ruder 2018, section 3.3): one part more every so many epochs.

    Which parts train follows from the epoch alone, so that an interrupted training goes on as it was. Batch
    normalisation that waits keeps its statistics.

    Args:
        network: in training.
        parts: its parameters from input to output; the last ones train from the beginning.
        epochs: after which the next part trains along.
    """

    def __init__(self, network: nn.Module, parts: Sequence[Sequence[nn.Parameter]], epochs: int) -> None:
        self.network, self.parts, self.epochs = network, parts, epochs

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Freeze what waits: Lightning begins no epoch where it continues inside one."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        opened = 1 + trainer.current_epoch // self.epochs
        for distance, part in enumerate(reversed(self.parts)):
            for parameter in part:
                parameter.requires_grad_(distance < opened)
                if distance >= opened:
                    parameter.grad = None
        self.network.train()
        for norm in frozen_norms(self.network):
            norm.eval()
