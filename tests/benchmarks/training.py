"""Training in this process as a command would do it, timed; and where the real data lies."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.callbacks import Callback

from runner.config.compose import compose
from runner.job.trainer import make_trainer
from runner.run.prepare import prepare
from runner.run.run import surroundings
from runner.tracking import run_directory

PLACES = (os.environ.get("RUNNER_DATA", "data"),)


class Times(Callback):
    """When each epoch began, and when the last one ended; pictures of a run's start are in none of them."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, *args: object) -> None:
        self.times.append(time.perf_counter())

    def on_train_end(self, *args: object) -> None:
        self.times.append(time.perf_counter())


def train(overrides: Sequence[str], *also: Callback) -> list[float]:
    """The stage fit of `python -m runner OVERRIDES`, logging, validation and checkpoints included; see Times.

    `also`: further callbacks.
    """
    watch = Times()
    with tempfile.TemporaryDirectory() as folder:
        composed = compose([*overrides])
        place = Path(folder) / "run"
        with (
            run_directory.created(place, composed.config, [*overrides], composed.chosen, exactly=False) as record,
            surroundings(composed.config, record) as signals,
        ):
            context, networks = prepare(composed.config, record, signals)
            trainer = make_trainer(context, networks.task, extra=[watch, *also])
            trainer.fit(networks.task, datamodule=context.datamodule)
    return watch.times


def root(folder: str) -> str | None:
    """The directory below which `folder` lies, or None."""
    return next((place for place in PLACES if (Path(place) / folder).is_dir()), None)
