"""Learning rates follow their closed formulas step by step, through a real trainer."""

import math
from functools import partial
from itertools import pairwise

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

from runner.errors import RunnerError
from runner.tasks import schedules
from runner.tasks.regression import Regression

LR, EPOCHS, BATCHES = 0.5, 3, 4
TOTAL = EPOCHS * BATCHES
X = torch.tensor([[1.0], [2.0], [3.0]])


class Rates(pl.Callback):
    """The rate with which each step was taken."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.fixture
def rates(fit):
    """The rates of a training under a scheduler."""

    def run(scheduler, interval: str, *, optimizer=None, max_epochs: int = EPOCHS, **task) -> list[float]:
        callback, optimizer = Rates(), optimizer or partial(torch.optim.SGD, lr=LR)
        module = Regression(nn.Linear(1, 1), optimizer, scheduler, schedule_interval=interval, **task)
        module.loss = lambda outputs, targets: 0.0 * outputs.sum() + 1.0  # the rate is what is looked at
        batches = [(X, 2 * X)] * BATCHES
        fit(module, batches, batches, callbacks=[callback], max_epochs=max_epochs)
        return callback.seen

    return run


def test_step_falls_by_gamma_every_step_size_epochs(rates) -> None:
    seen = rates(partial(StepLR, step_size=2, gamma=0.1), "epoch")
    assert seen == pytest.approx([LR] * 2 * BATCHES + [LR * 0.1] * BATCHES)


def test_cosine_spans_exactly_the_training(rates) -> None:
    seen = rates(schedules.cosine, "step")
    assert seen == pytest.approx([LR * (1 + math.cos(math.pi * t / TOTAL)) / 2 for t in range(TOTAL)])


def test_cosine_by_epoch_counts_epochs(rates) -> None:
    seen = rates(partial(schedules.cosine, final_fraction=0.1), "epoch")
    factors = [0.1 + 0.9 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 for epoch in range(EPOCHS)]
    assert seen == pytest.approx([LR * factor for factor in factors for _ in range(BATCHES)])


def test_warmup_cosine_rises_linearly_then_falls(rates) -> None:
    seen = rates(partial(schedules.warmup_cosine, warmup_fraction=0.25), "step")
    rise = [LR * t / 4 for t in (1, 2, 3)]
    fall = [LR * (1 + math.cos(math.pi * t / 9)) / 2 for t in range(9)]
    assert seen == pytest.approx(rise + fall)


def test_one_cycle_peaks_at_the_optimizers_rate(rates) -> None:
    seen = rates(schedules.one_cycle, "step")
    start, end, low = LR * 0.04, LR * 4e-6, 0.3 * TOTAL - 1
    rise = [LR + (start - LR) * (1 + math.cos(math.pi * t / low)) / 2 for t in range(3)]
    fall = [end + (LR - end) * (1 + math.cos(math.pi * (t - low) / (TOTAL - 1 - low))) / 2 for t in range(3, TOTAL)]
    assert seen == pytest.approx(rise + fall)


@pytest.mark.parametrize(
    "optimizer",
    [
        partial(torch.optim.SGD, lr=LR, momentum=0.9),
        partial(torch.optim.Adam, lr=LR),
        partial(torch.optim.Adagrad, lr=LR),
        partial(torch.optim.RMSprop, lr=LR),
    ],
)
def test_one_cycle_takes_optimizers_with_and_without_momentum(rates, optimizer) -> None:
    seen = rates(schedules.one_cycle, "step", optimizer=optimizer)
    assert max(seen) < LR and seen[0] == pytest.approx(0.04 * LR)


def test_torchs_own_schedulers_work_and_get_total_steps_filled_in(rates) -> None:
    seen = rates(partial(OneCycleLR, max_lr=1.0, cycle_momentum=False), "step")
    assert seen[0] == pytest.approx(0.04) and len(seen) == TOTAL


def test_plateau_follows_the_monitored_metric(rates) -> None:
    scheduler = partial(ReduceLROnPlateau, mode="min", patience=1, factor=0.5)
    seen = rates(scheduler, "epoch", max_epochs=6, schedule_monitor="val/loss")
    assert seen[::BATCHES] == pytest.approx([LR, LR, LR, LR / 2, LR / 2, LR / 4])
    assert all(later <= earlier for earlier, later in pairwise(seen))


def test_a_training_without_end_is_refused(rates) -> None:
    with pytest.raises(RunnerError, match="must know when training ends"):
        rates(schedules.cosine, "step", max_epochs=-1)


@pytest.mark.parametrize(
    ("scheduler", "interval", "message"),
    [
        (schedules.cosine, "batch", "scheduler.interval=batch: must be step or epoch"),
        (ReduceLROnPlateau, "epoch", "follows a metric: name it"),
    ],
)
def test_an_incomplete_schedule_is_refused(rates, scheduler, interval: str, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        rates(scheduler, interval)
