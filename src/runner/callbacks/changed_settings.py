"""ChangedSettings: a training goes on from a checkpoint with other settings than it had until then."""

import warnings
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch.optim.lr_scheduler import ReduceLROnPlateau

from runner.errors import RunnerError

# What a plateau schedule has seen; all else of it is a setting.
SEEN = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr", "mode_worse", "optimizer", "eps")


class ChangedSettings(Callback):
    """Optimizer and schedule with the new settings, after Lightning has restored those of the checkpoint.

    The optimizer keeps its state (momentum, averages of gradients) and takes the new rate, decay and so on. A schedule
    is what it would be at this step in a run that had the new settings from the start; one that follows a metric keeps
    what it has seen. That early stopping had ended the training is forgotten, its patience is the new one.

    Args:
        rate: the new `optimizer.lr` over the old one.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Change what later callbacks would restore."""
        if isinstance(checkpoint.get("training"), dict):
            checkpoint["training"] = {**checkpoint["training"], "should_stop": False}
        for callback in getattr(trainer, "callbacks", []):
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if isinstance(callback, EarlyStopping) and state is not None:
                state["patience"] = callback.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the new settings into what was restored."""
        fresh: Any = pl_module.configure_optimizers()
        optimizer = trainer.optimizers[0]
        configured = trainer.lr_scheduler_configs
        plateau = bool(configured) and isinstance(configured[0].scheduler, ReduceLROnPlateau)
        rates = [group["lr"] for group in optimizer.param_groups]
        if configured:
            scheduler, new = configured[0].scheduler, fresh["lr_scheduler"]["scheduler"]
            if plateau:
                vars(scheduler).update({key: value for key, value in vars(new).items() if key not in SEEN})
            else:
                take(new, int(scheduler.last_epoch))
                scheduler.load_state_dict(new.state_dict())
        for group, now, rate in zip(optimizer.param_groups, fresh["optimizer"].param_groups, rates, strict=True):
            group.update({key: value for key, value in now.items() if key != "params"})
            if plateau:
                group["lr"] = rate * self.rate


def take(scheduler: Any, steps: int) -> None:
    """Take so many steps of a schedule that has an optimizer of its own, which takes none.

    Raises:
        RunnerError: the schedule is shorter than that.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the optimizer took no step before
            for _ in range(steps):
                scheduler.step()
    except ValueError as error:
        raise RunnerError(
            f"The schedule is over before the {steps} steps that were taken ({error}). Train longer."
        ) from None
