"""KeepZeros: pruned weights stay zero through every step of a training."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from runner.compression.pruning.zeros import KeptZeros


class KeepZeros(Callback):
    """After every step sets those weights of the task's network to zero that were zero when training began.

    Stateless: a resumed training finds the zeros in its checkpoint. Must stand before callbacks that average weights.
    """

    def __init__(self) -> None:
        self.zeros: KeptZeros | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the zeros; the weights of a checkpoint are loaded by now."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        self.zeros = KeptZeros(network)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert self.zeros is not None
        self.zeros.restore()
