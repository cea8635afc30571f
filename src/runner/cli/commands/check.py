"""python -m runner check: would this run work?"""

import argparse
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

from runner.config.compose import Composed, compose

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runner.tasks.base import Task

DESCRIPTION = (
    "Composes and validates a run, builds its network without memory for the weights, "
    "then all of it, and sends one tiny batch through. Trains nothing, writes nothing."
)
EXAMPLE = "example:\n  python -m runner check model=resnet data=digits optimizer.lr=0.01"
SAMPLES = 2
STEPS = 100


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; raises RunnerError with everything that is wrong."""
    parser = argparse.ArgumentParser(
        "python -m runner check",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="as for a run: group=choice, key=value")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    composed = compose(options.overrides, options.config_dir)
    print("composes   " + " ".join(f"{group}={choice}" for group, choice in composed.chosen.items()))
    check(composed)
    return 0


def check(composed: Composed) -> None:
    """Builds and tries; each line is printed as soon as it is known."""
    import pytorch_lightning as pl
    import torch

    from runner.job.assemble import build_data, build_task
    from runner.job.build import build, plugins

    config = composed.config
    with plugins(list(config.runner.plugins)):
        with torch.device("meta"):
            network = build(config, "model")
        print(f"builds     {sum(each.numel() for each in network.parameters()):,} parameters")
        pl.seed_everything(config.seed, workers=True, verbose=False)
        datamodule = build_data(config)
        sizes = ", ".join(f"{len(samples):,} {name}" for name, samples in datamodule.splits.items())
        print(f"data       {sizes}")
        task = build_task(config, datamodule)
        samples = datamodule.splits["train"].spread(SAMPLES)
        batch = datamodule.training_batch((samples.inputs, samples.targets))
        outputs = task(batch[0])
        loss = task.loss_on(batch)
        with silence():
            try_training(config, task)
        print(f"one batch  {tuple(batch[0].shape)} in, {tuple(outputs.shape)} out, loss {loss:.4g}")


def try_training(config: "DictConfig", task: "Task") -> None:
    """Builds what training needs beside the task: trainer, callbacks, loggers, optimizer and scheduler.

    Raises:
        RunnerError: one of them refuses its values, or this machine lacks what the trainer asks for.
    """
    from runner.job.assemble import build_loggers
    from runner.job.build import build

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = build(config, "trainer", logger=False, **quiet)
    for name in config.callbacks or {}:
        build(config, f"callbacks.{name}")
    build_loggers(config)
    # A trainer knows how many steps it would take only while it trains; any number will do to build a schedule.
    steps = SimpleNamespace(
        estimated_stepping_batches=STEPS,
        max_epochs=trainer.max_epochs,
        check_val_every_n_epoch=trainer.check_val_every_n_epoch,
    )
    task.optimization.configure(task.network, steps)  # type: ignore[arg-type]


@contextmanager
def silence() -> Iterator[None]:
    """Within this context Lightning's remarks about the machine are not heard."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
