"""WeightAverage: an exponential moving average of the weights that suits networks with ranges and switches."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import Tensor

from runner.tracking.weights.matching import below, versions, with_versions


class WeightAverage(EMAWeightAveraging):
    """Lightning's average, for networks whose buffers are not all numbers to average.

    A fake-quantized network keeps zero points, counters and switches in integer buffers. Their average, cut to an
    integer, falls behind or becomes 0, so the newest value is kept instead. And exchanging weights for validation
    exchanges the switches, too: observers would be on again and take validation data into the ranges.

    Args:
        decay: weight of the past, from 0 to 1.
        update_every_n_steps: how often the average moves.
    """

    def __init__(self, decay: float = 0.99, update_every_n_steps: int = 1) -> None:
        super().__init__(decay=decay, update_every_n_steps=update_every_n_steps)

        def average(past: Tensor, present: Tensor, count: Tensor | int) -> Tensor:
            # lerp leaves constants as they are; decay * past + (1 - decay) * present lets them drift.
            return past.lerp(present, 1 - decay) if present.is_floating_point() else present

        self._kwargs["avg_fn"] = average

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the average in the place of the weights, as Lightning does; its modules keep their versions."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        checkpoint["state_dict"] = with_versions(checkpoint["state_dict"], versions(pl_module.state_dict()))

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Load the average and the weights that it follows, as Lightning does, with the versions of their modules."""
        if self._average_model is None or "averaging_state" not in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
            return
        said = versions(checkpoint["state_dict"]) or versions(pl_module.state_dict())
        average = below(with_versions(checkpoint["state_dict"], said), "module.")
        average.update(checkpoint["averaging_state"])
        self._average_model.load_state_dict(average)
        pl_module.load_state_dict(checkpoint["current_model_state"])

    def _swap_models(self, pl_module: pl.LightningModule) -> None:
        super()._swap_models(pl_module)
        pl_module.train(pl_module.training)

    def _copy_average_to_current(self, pl_module: pl.LightningModule) -> None:
        super()._copy_average_to_current(pl_module)
        pl_module.train(pl_module.training)
