"""A real trainer that writes nothing, for tests of tasks."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader

Batches = Iterable[tuple[Tensor, Tensor]]


def fit(
    task: pl.LightningModule,
    batches: Batches,
    val: Batches | None = None,
    *,
    ckpt_path: str | None = None,
    **settings: Any,
) -> pl.Trainer:
    """Trains on ready batches, or on a loader of them, and returns the trainer."""
    quiet = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu", "num_sanity_val_steps": 0}
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "barebones": False}
    trainer = pl.Trainer(**{**quiet, **silent, **settings})
    loaders = [DataLoader(part, batch_size=None) if isinstance(part, list) else part for part in (batches, val)]
    trainer.fit(task, *loaders, ckpt_path=ckpt_path)
    return trainer


@pytest.fixture(name="fit")
def fit_fixture() -> Callable[..., pl.Trainer]:
    return fit
