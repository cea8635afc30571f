"""TrainingLog: notes every training step, looks at the numbers only when they are due, and ends what diverged."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from runner.errors import RunnerError
from runner.measure.nested import Nested
from runner.tasks.evaluation import Hits, Record


class DivergedError(RunnerError):
    """Training stopped because its loss is no longer a finite number.

    Attributes:
        step: the training step (counted from 1) whose loss was not finite.
        last_finite: (step, loss) of the last finite loss before it, or None where there was none.
    """

    def __init__(
        self, step: int, value: float, last_finite: tuple[int, float] | None, advice: tuple[str, ...] = ()
    ) -> None:
        self.step, self.value, self.last_finite = step, value, last_finite
        before = "no finite loss before it"
        if last_finite is not None:
            before = f"last finite loss {last_finite[1]:.4g} at step {last_finite[0]}"
        *first, last = (*advice, "look at the data with mode=debug")
        hint = f"{', '.join(first)}, or {last}" if first else last
        super().__init__(f"The loss became {value} at step {step} ({before}). {hint[0].upper()}{hint[1:]}.")


# However seldom the log is written, outputs don't pile up on the device for longer than so many steps.
LONGEST_WAIT = 64


class TrainingLog:
    """Log of `train/loss_step` every `trainer.log_every_n_steps` steps and of `train/*` once an epoch.

    Losses stay on the device until they are due. On a single CPU every loss is looked at, which costs nothing there,
    and one that isn't finite stops the run before its gradients reach the weights; elsewhere it stops the run when
    the losses are next read, with the same message.
    """

    def __init__(self, hits: Hits | None = None) -> None:
        self.record = Record(hits)
        self._batch: tuple[int, int] | None = None
        self._logged_step = 0

    def add_batch(self, module: pl.LightningModule, index: int, loss: Tensor, outputs: Nested, targets: Nested) -> None:
        """Record batch `index` of the epoch: its loss and outputs, both detached, and its targets."""
        trainer = module.trainer
        step, batch = trainer.global_step + 1, (trainer.current_epoch, index)
        if loss.device.type == "cpu" and trainer.world_size == 1 and not math.isfinite(loss.item()):
            self.read(trainer)
            raise self._diverged(trainer, step, loss.item())
        if batch == self._batch:  # LBFGS evaluates a batch many times; the first time counts
            return
        self._batch = batch
        self.record.add(step, loss, outputs, targets)
        due = step % trainer.log_every_n_steps == 0 and step != self._logged_step  # type: ignore[attr-defined]
        if due or trainer.is_last_batch or len(self.record.steps) >= LONGEST_WAIT:
            self.read(trainer)
        if due:
            self._log_window(module, step)
        if trainer.is_last_batch:
            self.log_epoch(module)

    def read(self, trainer: pl.Trainer) -> None:
        """Sum up what was recorded; raise DivergedError where a loss, on any device, is not finite."""
        if not self.record.steps:
            return
        bad = self.record.read()
        if trainer.world_size > 1:  # all processes stop, at the first step that broke in any of them
            own = torch.tensor(math.inf if bad is None else float(bad[0]), device=trainer.strategy.root_device)
            first = float(trainer.strategy.reduce(own, reduce_op="min"))
            if math.isfinite(first):
                bad = (int(first), bad[1] if bad is not None and bad[0] == first else math.nan)
        if bad is not None:
            raise self._diverged(trainer, *bad)

    def log_epoch(self, module: pl.LightningModule) -> None:
        """Log the epoch's means, once: in its last step, so that every callback finds them at the epoch's end."""
        for name, mean in self.record.take("epoch").items():
            module.log(f"train/{name}", mean, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the epoch under way, as plain Python."""
        return {"record": self.record.state_dict(), "logged_step": self._logged_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.record.load_state_dict(state["record"])
        self._logged_step = state["logged_step"]

    def _log_window(self, module: pl.LightningModule, step: int) -> None:
        self._logged_step = step
        loss = self.record.take("window")["loss"]
        module.log("loss", loss, prog_bar=True, logger=False, on_step=True, on_epoch=False)
        # Straight to the loggers: a run that is stopped after this batch would lose what Lightning holds back.
        values = {"train/loss_step": loss, "epoch": float(module.current_epoch)}
        for logger in module.trainer.loggers:
            logger.log_metrics(values, step=step - 1)

    def _diverged(self, trainer: pl.Trainer, step: int, value: float) -> DivergedError:
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        advice = [f"lower optimizer.lr (now {float(max(rates)):.4g})"] if rates else []
        if not trainer.gradient_clip_val:
            advice.append("set trainer.gradient_clip_val=1")
        last = self.record.last_finite
        return DivergedError(step, value, last if last is not None and last[0] < step else None, tuple(advice))
